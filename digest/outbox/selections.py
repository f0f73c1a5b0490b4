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
from digest.articles.pictures import kinds, rows as pictures
from digest.editions import choose, models as editions, outline


async def intern(connection: AsyncConnection, publication_id: int, chosen: choose.Chosen, *, used_at: datetime) -> int:
    """The id of the Selection that tells exactly this, made if nobody has told it before, noted as used if somebody
    has: unused ones are pruned.
    """
    picks: dict[str, Any] = {
        "full": [[pick.article_id, pick.topic] for pick in chosen.full],
        "links": [[pick.article_id, pick.topic] for pick in chosen.links],
        "more": list(chosen.more),
    }
    if chosen.short:
        picks["short"] = chosen.short
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
        short=picks.get("short", 0),
    )


async def load_stories(connection: AsyncConnection, chosen: choose.Chosen, *, site: str = "") -> list[outline.Story]:
    """Those told by name. `site` is where readers reach us, for pictures we have a copy of; without it their originals
    are named.
    """
    article = articles.Article
    ids = [pick.article_id for pick in (*chosen.full, *chosen.links)]
    statement = (
        sa.select(article, articles.Source.title.label("source"))
        .join(articles.Source, articles.Source.id == article.source_id)
        .where(article.id.in_(ids))
    )
    return [_story(row, site) for row in await connection.execute(statement)]


def _story(row: Any, site: str) -> outline.Story:
    return outline.Story(
        id=row.id,
        version=row.version,
        title=row.title,
        url=row.url,
        standfirst=row.standfirst,
        image_url=_picture(row, site),
        image_alt=row.image_alt,
        image_width=row.image_width,
        image_height=row.image_height,
        author=row.author,
        source=row.source,
        minutes=row.minutes,
        published_at=row.published_at,
        related=tuple((title, url) for title, url in row.related),
    )


def _picture(row: Any, site: str) -> str | None:
    """Our copy, else the original, unless it is of a format that leaves an empty frame in many mail programs."""
    if row.image_copy and site:
        return f"{site}{pictures.PATH}{row.image_copy}"
    return row.image_url if kinds.is_shown_everywhere(row.image_kind) else None


def choice(chosen: choose.Chosen) -> outline.Choice:
    """As composing takes it."""
    return outline.Choice(
        full=tuple((pick.article_id, pick.topic) for pick in chosen.full),
        links=tuple((pick.article_id, pick.topic) for pick in chosen.links),
        more=len(chosen.more),
        short=chosen.short,
    )
