"""When a Source, and when a host, may be asked again. Pure."""

import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from urllib.parse import urlsplit

INTERVAL = timedelta(minutes=15)
LONGEST = timedelta(hours=24)  # a feed that comes back is noticed within a day
_DOUBLINGS = 10  # beyond this the cap has long been reached
# Sources added together would otherwise be asked together for ever.
_JITTER = 0.1


def next_fetch_at(
    now: datetime,
    *,
    interval: timedelta,
    failures: int = 0,
    retry_after: timedelta | None = None,
    chance: Callable[[], float] = random.random,
) -> datetime:
    """`failures` counts those in a row, with this one. The server's own wish is undercut by nothing but the cap."""
    cap = max(LONGEST, interval)
    wait: timedelta = min(interval * int(2 ** min(failures, _DOUBLINGS)), cap) * (1 - _JITTER * chance())
    return now + min(max(wait, retry_after or timedelta()), cap)


def gap_left(asked_at: datetime | None, *, now: datetime, gap: timedelta) -> timedelta:
    """How long to leave a host alone that was last asked at `asked_at`."""
    return max(asked_at + gap - now, timedelta()) if asked_at else timedelta()


def by_host(urls: Sequence[str]) -> list[list[str]]:
    """The URLs in groups of one host each, to be asked one after the other; groups may go at the same time."""
    groups: dict[str, list[str]] = {}
    for url in urls:
        groups.setdefault(host(url), []).append(url)
    return list(groups.values())


def host(url: str) -> str:
    """The host of a URL, empty for a file."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
