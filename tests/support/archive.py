"""Articles at their times, and what the archive made of them."""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from digest import database, publications
from digest.archive import models
from digest.articles import models as articles, release, store


async def articles_at(db: database.Database, publication: Any, *times: datetime, **values: Any) -> list[int]:
    """An Article for each of these times, released; their ids."""
    async with db.transaction() as connection:
        source = sa.select(articles.Source.id).where(articles.Source.publication_id == publication.id)
        source_id = await connection.scalar(source)
        if source_id is None:
            new = {"publication_id": publication.id, "address": "x", "fetch_url": "x", "is_polled": False}
            made = sa.insert(articles.Source).values(new).returning(articles.Source.id)
            source_id = await connection.scalar(made)
        ids = []
        for at in times:
            row = {"publication_id": publication.id, "source_id": source_id, "content_hash": "", "fingerprint": ""}
            row |= {"title": f"Story of {at:%d %b %H:%M}", "published_at": at, "release_at": at}
            row |= {"created_at": at, "updated_at": at} | values
            new_article = sa.insert(articles.Article).values(row).returning(articles.Article.id)
            ids.append((await connection.execute(new_article)).scalar_one())
    await release.run(db, max(times))
    return ids


async def set_article(db: database.Database, id_: int, **values: Any) -> None:
    """Change an Article, and say so, as whatever changes one does."""
    article = articles.Article
    async with db.transaction() as connection:
        changed = sa.update(article).where(article.id == id_).values(values).returning(article.publication_id)
        await store.touch(connection, (await connection.execute(changed)).scalar_one())


async def apply(db: database.Database, publication: Any, **changes: Any) -> None:
    """Another Spec for a Publication."""
    table = publications.Publication
    async with db.transaction() as connection:
        row = (await connection.execute(sa.select(table).where(table.id == publication.id))).one()
        values = {
            "spec": publications.load(row.spec | changes).model_dump(mode="json"),
            "applied_at": row.applied_at + timedelta(seconds=1),
        }
        await connection.execute(sa.update(table).where(table.id == publication.id).values(values))


async def pages(db: database.Database, frequency: str | None = None) -> list[Any]:
    """All Pages by frequency and date."""
    page = models.Page
    async with db.reading() as connection:
        found = (await connection.execute(sa.select(page).order_by(page.frequency, page.date))).all()
    return [row for row in found if frequency in (None, row.frequency)]


async def positions(db: database.Database) -> dict[int, Any]:
    """The Articles that have one, by their position."""
    async with db.reading() as connection:
        found = await connection.execute(sa.select(articles.Article).where(articles.Article.position.is_not(None)))
        return {row.position: row for row in found}
