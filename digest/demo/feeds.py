"""Which feed is played, and the Publication made for it: the shipped sample as it is, or the operator's own feed.

An own feed is looked at once beforehand: its newest date says when the ten days end, its categories become the
Topics its readers choose from.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from digest import clock, errors, publications, templating, zones
from digest.articles import parse, visit
from digest.audience import rows

DAYS = timedelta(days=10)
# As many as the sample has; its readers choose one to three of them.
MAX_TOPICS = 6
# A date this far ahead is a slip of the pen; it must not carry the ten days with it.
FAR = timedelta(days=366)
READERS = templating.data_dir("config") / "demo" / "readers.csv"
PUBLICATION = templating.data_dir("config") / "publications" / "mias-feed.toml"
OWN_SLUG = "your-feed"


class FeedError(errors.DigestError):
    """The feed named with --feed cannot be read."""


@dataclass(frozen=True)
class Programme:
    """What is played: a Publication with its Source, from when to when, and its readers."""

    spec: publications.Spec
    begins_at: datetime
    ends_at: datetime
    readers: tuple[rows.Row, ...]
    articles: int


async def look(url: str, fetcher: visit.Fetcher) -> parse.Feed:
    """The feed as it is now. Raises FeedError with the reason why it cannot be read."""
    found = await visit.make(visit.Place(url, may_discover=True), fetcher)
    if isinstance(found, visit.Read) and found.feed.entries:
        return found.feed
    reason = "it has no items" if isinstance(found, visit.Read) else getattr(found, "reason", "it is gone for good")
    raise FeedError(f"{url}: {reason}")


def sample(feed: parse.Feed, url: str, base_url: str) -> Programme:
    """The shipped publication, feed and readers."""
    spec = publications.read(PUBLICATION)
    spec = spec.model_copy(update={"base_url": base_url, "sources": (publications.SourceSpec(url=url),)})
    return _programme(spec, feed, _readers())


def own(feed: parse.Feed, url: str, base_url: str) -> Programme:
    """The shipped publication under the feed's own name, with Topics made of the feed's categories."""
    shipped = publications.read(PUBLICATION)
    topics = make_topics(entry.categories for entry in feed.entries)
    name = " ".join(feed.title.split())[:80] or "Your feed"
    changed = {
        "slug": OWN_SLUG,
        "name": name,
        "sender_name": name,
        "tagline": "",
        "description": "",
        "base_url": base_url,
        "topics": topics,
        "sources": (publications.SourceSpec(url=url),),
    }
    spec = shipped.model_copy(update=changed)
    return _programme(spec, feed, [_retold(row, shipped.topic_slugs, spec.topic_slugs) for row in _readers()])


def make_topics(categories: Iterable[tuple[str, ...]]) -> tuple[publications.Topic, ...]:
    """The categories most Articles have, as Topics."""
    # Feeds spell one category in several ways; the first spelling names it.
    spelling: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for names in categories:
        counts.update(dict.fromkeys((spelling.setdefault(name.casefold(), name) for name in names), 1))
    topics: dict[str, publications.Topic] = {}
    for number, (name, _) in enumerate(counts.most_common(MAX_TOPICS), 1):
        slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:60].strip("-") or f"topic-{number}"
        topics.setdefault(slug, publications.Topic(slug=slug, name=name, categories=(name,)))
    return tuple(topics.values())


def _readers() -> list[rows.Row]:
    with rows.open_file(READERS) as lines:
        return [row for row in rows.read(lines) if isinstance(row, rows.Row)]


def _retold(row: rows.Row, shipped: tuple[str, ...], own_topics: tuple[str, ...]) -> rows.Row:
    """The sample reader with as many of the feed's Topics; all of it when the feed has none."""
    chosen = [own_topics[shipped.index(slug) % len(own_topics)] for slug in row.wish.topics or () if own_topics]
    return row._replace(wish=row.wish._replace(topics=tuple(dict.fromkeys(chosen)) or None))


def _programme(spec: publications.Spec, feed: parse.Feed, readers: Iterable[rows.Row]) -> Programme:
    """Ten local days, so that the newest item falls on the last of them."""
    newest = newest_date([entry.published_at for entry in feed.entries], clock.system())
    # By local midnight, so that no reader's morning is cut off at either end.
    zone = zones.get(spec.timezone)
    last_day = newest.astimezone(zone).date()
    ends_at = datetime.combine(last_day + timedelta(days=1), time(), tzinfo=zone).astimezone(UTC)
    return Programme(spec, ends_at - DAYS, ends_at, tuple(readers), len(feed.entries))


def newest_date(dates: Iterable[datetime | None], now: datetime) -> datetime:
    """The newest believable date; now, if there is none."""
    known = [at for at in dates if at is not None]
    believable = [at for at in known if at <= now + FAR]
    return max(believable or known, default=now)
