"""Topics of stored Articles after the rules changed. An Article keeps its position whatever it carries now.

One step of the transaction that changes the rules, under the Publication's lock.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles import topics
from digest.articles.models import Article, Source

# Older Articles only matter for a new reader's first digest, which takes the newest.
REACH = timedelta(days=90)
_AT_ONCE = 500


async def run(
    connection: AsyncConnection, publication_id: int, rules: Sequence[publications.Topic], now: datetime
) -> int:
    """Match the Articles of the last months anew; how many carry other Topics now."""
    changed, after = 0, 0
    article = Article
    statement = (
        sa.select(
            article.id, article.title, article.standfirst, article.categories, article.topics,
            Source.topics.label("defaults"),
        )
        .join(Source, Source.id == article.source_id)
        .where(article.publication_id == publication_id, article.created_at > now - REACH)
        .order_by(article.id)
        .limit(_AT_ONCE)
    )  # fmt: skip
    while rows := (await connection.execute(statement.where(article.id > after))).all():
        after = rows[-1].id
        found = [(row, list(topics.match(rules, row, row.defaults))) for row in rows]
        moved = [{"article": row.id, "found": slugs} for row, slugs in found if slugs != list(row.topics)]
        if moved:
            update = sa.update(article).where(article.id == sa.bindparam("article"))
            await connection.execute(update.values(topics=sa.bindparam("found")), moved)
        changed += len(moved)
    return changed
