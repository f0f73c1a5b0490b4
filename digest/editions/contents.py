"""What a Publication has to tell right now, kept in memory between questions, and choosing from it.

Reads released Articles once per (head, revision) of their Publication, so a reader's choice costs no query. Whoever
hands over passes the head and revision read in the same transaction; a mismatch loads anew, which is how an edit or
a retraction takes effect on mail not yet handed over.
"""

import bisect
import dataclasses
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles import models as articles
from digest.audience import models as audience
from digest.editions import choose


@dataclasses.dataclass(frozen=True)
class Shelf:
    """The Candidates of one Publication above `floor` in order of position, as of one (head, revision)."""

    publication_id: int
    slug: str
    spec: publications.Spec
    head: int
    revision: int
    floor: int
    candidates: tuple[choose.Candidate, ...]

    def choose(
        self, reach: choose.Reach, now: datetime, *, is_instant: bool = False
    ) -> choose.Chosen | choose.Waiting | choose.Nothing:
        """What a reader of this reach gets. `instant` does not wait for a minimum: one Article is its point."""
        spec = self.spec
        limits = choose.Limits(
            min_items=1 if is_instant else spec.min_items,
            max_items=spec.max_items,
            max_links=spec.max_links,
            max_wait=timedelta(days=spec.max_wait_days),
        )
        # Candidates are in order of position, and a reader who lags by years must not slow down all others.
        first = bisect.bisect_right(self.candidates, reach.covered_to, key=lambda candidate: candidate.position)
        return choose.choose(self.candidates[first:], reach, limits=limits, topic_order=spec.topic_slugs, now=now)


class Shelves:
    """Shelves by Publication; one instance lives as long as its process."""

    def __init__(self) -> None:
        self._kept: dict[int, Shelf] = {}

    async def get(self, connection: AsyncConnection, publication_id: int, *, above: int) -> Shelf:
        """The Shelf as of this transaction, with at least all Candidates at positions greater than `above`."""
        publication = publications.Publication
        row = (await connection.execute(sa.select(publication).where(publication.id == publication_id))).one()
        kept = self._kept.get(publication_id)
        if kept and kept.floor <= above and (kept.head, kept.revision) == (row.head, row.revision):
            return kept
        shelf = Shelf(
            publication_id,
            row.slug,
            publications.load(row.spec),
            row.head,
            row.revision,
            above,
            await candidates(connection, publication_id, above),
        )
        self._kept[publication_id] = shelf
        return shelf


async def candidates(
    connection: AsyncConnection, publication_id: int, above: int, upto: int | None = None
) -> tuple[choose.Candidate, ...]:
    """The released Articles at the positions (above, upto], in their order."""
    article = articles.Article
    within = [] if upto is None else [article.position <= upto]
    rows = await connection.execute(
        sa.select(article.id, article.position, article.topics, article.published_at, article.released_at)
        .where(
            article.publication_id == publication_id,
            article.position > above,
            *within,
            article.state == articles.ArticleState.RELEASED,
        )
        .order_by(article.position)
    )
    return tuple(
        choose.Candidate(row.id, row.position, tuple(row.topics), row.published_at or row.released_at, row.released_at)
        for row in rows
    )


class Topics:
    """Which Topics a topic set holds. Rows are never changed, so they are kept for good."""

    def __init__(self) -> None:
        self._kept: dict[int, frozenset[str]] = {}

    async def get(self, connection: AsyncConnection, topic_set_id: int | None) -> frozenset[str] | None:
        if topic_set_id is None:
            return None
        return (await self.get_all(connection, {topic_set_id}))[topic_set_id]

    async def get_all(self, connection: AsyncConnection, topic_set_ids: set[int]) -> dict[int, frozenset[str]]:
        unknown = topic_set_ids - self._kept.keys()
        if unknown:
            topic_set = audience.TopicSet
            statement = sa.select(topic_set.id, topic_set.topics).where(topic_set.id.in_(unknown))
            for id_, topics in await connection.execute(statement):
                self._kept[id_] = frozenset(topics)
        return {id_: self._kept[id_] for id_ in topic_set_ids}
