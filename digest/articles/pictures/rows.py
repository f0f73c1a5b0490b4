"""What an Article's row says of its picture: address and size from the feed, and what a look at it brought.

Values for others' statements; `gather` looks at the picture itself.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.articles import parse
from digest.articles.models import Article, ArticleState

# Where copies lie on our site; their names go behind it.
PATH = "/images/"
# What must be known of an Article before its picture changes.
COLUMNS: tuple[Any, ...] = (
    Article.image_url, Article.image_width, Article.image_height, Article.image_kind, Article.image_copy,
    Article.image_due_at, Article.image_tries, Article.image_fault,
)  # fmt: skip
# Older Articles only matter for a new reader's first digest.
REACH = timedelta(days=90)
_UNSEEN: dict[str, Any] = {"image_copy": None, "image_tries": 0, "image_fault": None}


def new(entry: parse.Entry, look_at: datetime | None) -> dict[str, Any]:
    """Of a picture nobody has looked at. `look_at` is None for an Article that no mail will show."""
    return {
        "image_url": entry.image_url,
        "image_width": entry.image_width,
        "image_height": entry.image_height,
        "image_kind": entry.image_kind,
        "image_due_at": look_at if entry.image_url else None,
        **_UNSEEN,
    }


def kept(entry: parse.Entry, old: sa.Row[Any], look_at: datetime | None) -> dict[str, Any]:
    """The same picture keeps what was found out about it, whatever else of the Article changed."""
    if entry.image_url != old.image_url:
        return new(entry, look_at)
    return {column.key: getattr(old, column.key) for column in COLUMNS}


async def reconsider(connection: AsyncConnection, publication_id: int, *, rehosts: bool, now: datetime) -> None:
    """The publisher wants copies from now on, or no more. One step of a transaction that renews all looks anyway."""
    mine = Article.publication_id == publication_id
    if not rehosts:
        is_seen = sa.or_(Article.image_copy.is_not(None), Article.image_fault.is_not(None))
        await connection.execute(sa.update(Article).where(mine, is_seen).values(**_UNSEEN))
        return
    is_shown = Article.state.in_((ArticleState.WAITING, ArticleState.HELD, ArticleState.RELEASED))
    is_recent = Article.created_at > now - REACH
    await connection.execute(
        sa.update(Article)
        .where(mine, is_shown, is_recent, Article.image_url.is_not(None))
        .values(image_due_at=now, **_UNSEEN)
    )
