"""What was chosen for readers who get the same: kept once, read back as it was, with the Articles it tells.

Reads and leaves interned Selection rows; so a doubtful mail can be sent again as it was.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import sql
from digest.articles import models as articles
from digest.editions import choose, models as editions, outline


async def intern(connection: AsyncConnection, publication_id: int, chosen: choose.Chosen, *, used_at: datetime) -> int:
    """The id of the Selection that tells exactly this, made if nobody has told it before, noted as used if somebody
    has: unused ones are pruned.
    """
    picks = {
        "full": [[pick.article_id, pick.topic] for pick in chosen.full],
        "links": [[pick.article_id, pick.topic] for pick in chosen.links],
        "more": list(chosen.more),
    }
    fingerprint = hashlib.sha256(json.dumps(picks).encode()).hexdigest()
    selection = editions.Selection
    values = {"publication_id": publication_id, "fingerprint": fingerprint, "picks": picks, "used_at": used_at}
    made = sql.insert(connection, selection).values(values)
    noted = made.on_conflict_do_update(
        index_elements=[selection.publication_id, selection.fingerprint], set_={"used_at": made.excluded.used_at}
    )
    return (await connection.execute(noted.returning(selection.id))).scalar_one()


async def load_selection(connection: AsyncConnection, selection_id: int | None) -> choose.Chosen:
    statement = sa.select(editions.Selection.picks).where(editions.Selection.id == selection_id)
    picks: Any = (await connection.execute(statement)).scalar_one()
    return choose.Chosen(
        full=tuple(choose.Pick(article_id, topic) for article_id, topic in picks["full"]),
        links=tuple(choose.Pick(article_id, topic) for article_id, topic in picks["links"]),
        more=tuple(picks["more"]),
    )


async def load_stories(connection: AsyncConnection, chosen: choose.Chosen) -> list[outline.Story]:
    article = articles.Article
    ids = [pick.article_id for pick in (*chosen.full, *chosen.links)]
    statement = (
        sa.select(article, articles.Source.title.label("source"))
        .join(articles.Source, articles.Source.id == article.source_id)
        .where(article.id.in_(ids))
    )
    return [_story(row) for row in await connection.execute(statement)]


def _story(row: Any) -> outline.Story:
    return outline.Story(
        id=row.id,
        version=row.version,
        title=row.title,
        url=row.url,
        standfirst=row.standfirst,
        image_url=row.image_url,
        image_alt=row.image_alt,
        image_width=row.image_width,
        image_height=row.image_height,
        author=row.author,
        source=row.source,
        minutes=row.minutes,
        published_at=row.published_at,
        related=tuple((title, url) for title, url in row.related),
    )
