"""Which Articles one reader gets out of a range of positions, and how prominently each is told.

Pure: reads no rows and changes none. What it returns is frozen in the Delivery at hand-over; everything that matches
is told exactly once, in full, as a link or by number. Retracted Articles are the caller's to leave out.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta


@dataclasses.dataclass(frozen=True)
class Candidate:
    """What choosing needs to know of an Article."""

    id: int
    position: int
    topics: tuple[str, ...]
    published_at: datetime
    released_at: datetime


@dataclasses.dataclass(frozen=True)
class Reach:
    """What a reader may get: the topics held (None: everything) and the positions in (covered_to, upto].

    Readers with the same reach get the same choice, so it serves as the key of a cache.
    """

    topics: frozenset[str] | None
    covered_to: int
    upto: int

    def covers(self, article: Candidate) -> bool:
        return self.covered_to < article.position <= self.upto and matches(article.topics, self.topics)


@dataclasses.dataclass(frozen=True)
class Limits:
    """A Publication's bounds on one digest. Zero `min_items` or `max_wait` means never wait."""

    min_items: int
    max_items: int
    max_links: int
    max_wait: timedelta


@dataclasses.dataclass(frozen=True)
class Pick:
    """One Article and the topic it stands under; None where no topic of the Publication applies."""

    article_id: int
    topic: str | None


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A digest: `full` and `links` best first, `more` the ids behind "and N more".

    The last `short` of those in full are told more briefly, so that the mail does not grow too large.
    """

    full: tuple[Pick, ...]
    links: tuple[Pick, ...]
    more: tuple[int, ...]
    short: int = 0

    def cut(self, *, full: int, short: int, links: int) -> "Chosen":
        """The same Articles with only so many told in full, of these so many briefly, and so many as links."""
        picks = (*self.full, *self.links)
        rest = tuple(pick.article_id for pick in picks[full + links :])
        return Chosen(picks[:full], picks[full : full + links], rest + self.more, short)


@dataclasses.dataclass(frozen=True)
class Waiting:
    """Too few for a digest yet; the oldest of them was released at `oldest_at`."""

    oldest_at: datetime


@dataclasses.dataclass(frozen=True)
class Nothing:
    """No Article in reach matches: no mail, and the range is settled."""


Verdict = Chosen | Waiting | Nothing


def choose(
    articles: Iterable[Candidate], reach: Reach, *, limits: Limits, topic_order: Sequence[str], now: datetime
) -> Verdict:
    """What this reader gets now. The order of `articles` does not matter."""
    matching = [article for article in articles if reach.covers(article)]
    if not matching:
        return Nothing()
    oldest_at = min(article.released_at for article in matching)
    if len(matching) < limits.min_items and now - oldest_at < limits.max_wait:
        return Waiting(oldest_at)
    ranked = sorted(matching, key=_rank, reverse=True)
    picks = [Pick(article.id, _heading(article, reach.topics, topic_order)) for article in ranked]
    full_and_links = limits.max_items + limits.max_links
    return Chosen(
        full=tuple(picks[: limits.max_items]),
        links=tuple(picks[limits.max_items : full_and_links]),
        more=tuple(pick.article_id for pick in picks[full_and_links:]),
    )


def matches(article_topics: Iterable[str], topics: frozenset[str] | None) -> bool:
    """Does a reader of these topics get an Article of those? Without topics it is only for readers of everything."""
    return topics is None or not topics.isdisjoint(article_topics)


def _rank(article: Candidate) -> tuple[datetime, int]:
    # Many feeds date to the day, so equal dates are common: the position, unique, makes every run choose alike.
    return article.published_at, article.position


def _heading(article: Candidate, topics: frozenset[str] | None, topic_order: Sequence[str]) -> str | None:
    """The first topic in the Publication's order that the Article has and the reader holds."""
    return next((topic for topic in topic_order if topic in article.topics and matches((topic,), topics)), None)
