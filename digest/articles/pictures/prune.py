"""The pass that forgets copies of pictures so old that hardly anybody opens a mail with them any more.

An Article whose copy goes is told with its original picture again, should a new reader's first digest tell it at all.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.articles import store
from digest.articles.models import Article, Picture

# One transaction's worth. A picture has some hundred kilobytes, and SQLite has one write lock.
SLICE = 50


async def run(db: database.Database, keep: timedelta | None, now: datetime) -> int:
    """How many went; None keeps all. `made_at` is when an Article last came to use a copy."""
    count = 0
    while keep is not None and (names := await _old(db, now - keep)):
        async with db.transaction() as connection:
            await _let_go(connection, names)
            await connection.execute(sa.delete(Picture).where(Picture.name.in_(names)))
        count += len(names)
    return count


async def _old(db: database.Database, before: datetime) -> Sequence[str]:
    async with db.reading() as connection:
        statement = sa.select(Picture.name).where(Picture.made_at < before).order_by(Picture.made_at).limit(SLICE)
        return (await connection.execute(statement)).scalars().all()


async def _let_go(connection: AsyncConnection, names: Sequence[str]) -> None:
    shows = Article.image_copy.in_(names)
    ids = (await connection.execute(sa.select(Article.publication_id).where(shows).distinct())).scalars().all()
    for publication_id in sorted(ids):
        await store.touch(connection, publication_id)
    await connection.execute(sa.update(Article).where(shows).values(image_copy=None))
