"""Pictures in `status`: of which Articles of late none is shown, or only the original, and why. Reads only."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles.models import Article, ArticleState
from digest.articles.pictures import kinds
from digest.commands import output

LISTED = 10
# Of the newest Articles only: what older mails showed cannot be mended.
LOOKED_AT = 500
_REMEDY = 'images = "rehost" in the publication\'s file makes a copy'


async def gather(connection: AsyncConnection) -> list[dict[str, Any]]:
    """The newest first."""
    publication = publications.Publication
    newest = sa.select(Article).order_by(Article.id.desc()).limit(LOOKED_AT).subquery()
    a = newest.c
    is_plain = a.image_kind.in_(kinds.SHOWN_EVERYWHERE)
    is_poor = sa.or_(a.image_fault.is_not(None), sa.and_(a.image_copy.is_(None), a.image_due_at.is_(None), ~is_plain))
    statement = (
        sa.select(a.id, publication.slug, a.image_url, a.image_kind, a.image_fault, a.image_copy)
        .join(publication, publication.id == a.publication_id)
        .where(a.image_url.is_not(None), is_poor, a.state != ArticleState.ARCHIVED)
        .order_by(a.id.desc())
        .limit(LISTED)
    )
    return [_document(row) for row in await connection.execute(statement)]


def _document(row: Any) -> dict[str, Any]:
    is_shown = bool(row.image_copy) or kinds.is_shown_everywhere(row.image_kind)
    return {
        "article": row.id,
        "publication": row.slug,
        "url": row.image_url,
        "shown": "original" if is_shown else "none",
        "reason": row.image_fault or f"{_obstacle(row.image_kind)}; {_REMEDY}",
    }


def _obstacle(kind: str) -> str:
    if kind == kinds.HEAVY:
        return f"it has more than {kinds.HEAVIEST // 1_000_000} MB, too much for a mail"
    return f"many mail programs do not show {kind}"


def lines(found: list[dict[str, Any]]) -> list[str]:
    if not found:
        return []
    rows = [(row["article"], row["publication"], row["shown"], row["url"], row["reason"]) for row in found]
    return [*output.table(("article", "publication", "picture", "address", "because"), rows), ""]
