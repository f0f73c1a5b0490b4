"""What time it is. The only place that reads the machine's wall clock.

Passes take `now`; whoever starts them asks a Clock. Leases and rates never use it: those follow the database's
clock or the monotonic one, so that a virtual `--now` cannot disturb them.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from digest import errors

Clock = Callable[[], datetime]


class ClockError(errors.DigestError):
    """The instant given is not an aware ISO 8601 date and time."""


def system() -> datetime:
    """The machine's time, aware, in UTC."""
    return datetime.now(UTC)


def fixed(instant: datetime) -> Clock:
    """A clock that stands still, for `--now`."""
    return lambda: instant


def parse(text: str) -> datetime:
    """An aware ISO 8601 instant as UTC. Raises ClockError when it has no offset or is no date."""
    try:
        instant = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ClockError(f"'{text}' is no date and time; write it like 2026-11-22T08:00:00+01:00") from None
    if instant.tzinfo is None:
        raise ClockError(f"'{text}' has no UTC offset; add one, for example {text.strip()}Z or {text.strip()}+01:00")
    return instant.astimezone(UTC)
