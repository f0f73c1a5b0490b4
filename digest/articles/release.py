"""The pass that gives Articles their position, the one order everything else counts by.

Reads Articles that wait and whose time has come; leaves `position` on them and the new `head` on their Publication.
Never mails, never changes a position once given.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications
from digest.articles import models

# One transaction's worth; the row lock on the Publication is held meanwhile.
AT_ONCE = 1000


async def run(db: database.Database, now: datetime) -> int:
    """Release all that is due; how many Articles that were."""
    waiting = sa.select(models.Article.publication_id).where(*_is_due(now)).distinct()
    async with db.reading() as connection:
        publication_ids = (await connection.execute(waiting)).scalars().all()
    released = 0
    for publication_id in publication_ids:
        while count := await _release(db, publication_id, now):
            released += count
    return released


def _is_due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return models.Article.state == models.ArticleState.WAITING, models.Article.release_at <= now


async def _release(db: database.Database, publication_id: int, now: datetime) -> int:
    """Number the next Articles of one Publication.

    1. Take the Publication's row lock. Whoever else releases here now waits, so positions come in commit order.
    2. Only then look what waits: under READ COMMITTED this sees what the previous holder has numbered.
    3. Move `head` and write the positions in the same transaction: who reads `head` first sees all Articles up to it.
    """
    publication = publications.Publication
    async with db.transaction() as connection:
        lock = sa.update(publication).where(publication.id == publication_id).values(head=publication.head)
        head = (await connection.execute(lock.returning(publication.head))).scalar_one()
        ids = await _waiting(connection, publication_id, now)
        if not ids:
            return 0
        await connection.execute(
            sa.update(publication).where(publication.id == publication_id).values(head=head + len(ids))
        )
        await connection.execute(
            sa.update(models.Article)
            .where(models.Article.id == sa.bindparam("article"))
            .values(
                state=models.ArticleState.RELEASED, position=sa.bindparam("place"), released_at=now, updated_at=now
            ),
            [{"article": id_, "place": head + number} for number, id_ in enumerate(ids, 1)],
        )
        return len(ids)


async def _waiting(connection: AsyncConnection, publication_id: int, now: datetime) -> list[int]:
    """Ids in the order they became due; among those that arrived together the older article comes first."""
    article = models.Article
    return list(
        await connection.scalars(
            sa.select(article.id)
            .where(article.publication_id == publication_id, *_is_due(now))
            .order_by(article.release_at, sa.func.coalesce(article.published_at, article.release_at), article.id)
            .limit(AT_ONCE)
        )
    )
