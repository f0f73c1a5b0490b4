"""Where a reader's story begins: `covered_to` on confirmation and on import (design: starting).

The first digest brings the newest few Articles of the reader's Topics and nothing older. Reads Articles and the
head of the Publication; leaves nothing.
"""

import bisect
import dataclasses
import itertools
from collections.abc import Sequence as Listed
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications
from digest.articles import models as articles

# A rare Topic can lie deep in a long archive, so it is looked for page by page.
PAGE = 500


async def covered_to(
    connection: AsyncConnection, publication_id: int, topics: frozenset[str] | None, first_articles: int
) -> int:
    """Just below the position of the n-th newest matching Article; 0 when there are fewer."""
    if first_articles == 0:
        head = await connection.scalar(
            sa.select(publications.Publication.head).where(publications.Publication.id == publication_id)
        )
        return int(head or 0)
    position = await _nth_newest(connection, publication_id, topics, first_articles)
    return 0 if position is None else position - 1


async def _nth_newest(
    connection: AsyncConnection, publication_id: int, topics: frozenset[str] | None, wanted: int
) -> int | None:
    below: int | None = None
    while True:
        page = (await connection.execute(_newest(publication_id, below))).all()
        for article in page:
            if topics is None or not topics.isdisjoint(article.topics):
                wanted -= 1
            if wanted == 0:
                return int(article.position)
        if len(page) < PAGE:
            return None
        below = page[-1].position


def _newest(publication_id: int, below: int | None) -> sa.Select[int | None, list[str]]:
    query = (
        sa.select(articles.Article.position, articles.Article.topics)
        .where(
            articles.Article.publication_id == publication_id,
            articles.Article.state == articles.ArticleState.RELEASED,
            articles.Article.position.is_not(None),
        )
        .order_by(articles.Article.position.desc())
        .limit(PAGE)
    )
    return query if below is None else query.where(articles.Article.position < below)


@dataclasses.dataclass(frozen=True, slots=True)
class Sequence:
    """A Publication's Articles by date. `first[i]` is the lowest position of those dated `dates[i]` or later."""

    head: int
    dates: Listed[datetime]
    first: Listed[int]

    def seen_to(self, seen_until: datetime) -> int:
        """The `covered_to` of a reader who had everything up to that instant elsewhere.

        Everything below the first Article that came later is settled: what was seen may come once more where feeds
        brought an old Article late, but nothing is lost.
        """
        index = bisect.bisect_right(self.dates, seen_until)
        return self.head if index == len(self.dates) else self.first[index] - 1


async def sequence(connection: AsyncConnection, publication_id: int) -> Sequence:
    article = articles.Article
    dated = sa.func.coalesce(article.published_at, article.released_at, type_=database.UtcDateTime())
    query = sa.select(article.position, dated).where(
        article.publication_id == publication_id, article.position.is_not(None)
    )
    rows = (await connection.execute(query)).all()
    found = sorted((at, int(position or 0)) for position, at in rows if at is not None)
    positions = [position for _, position in reversed(found)]
    lowest = list(itertools.accumulate(positions, lambda one, other: min(one, other)))[::-1]
    publication = publications.Publication
    head = await connection.scalar(sa.select(publication.head).where(publication.id == publication_id))
    return Sequence(int(head or 0), [at for at, _ in found], lowest)
