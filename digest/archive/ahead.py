"""What the next digest of a reader tells so far, and when it comes. Reads only, and promises nothing."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.archive import pages
from digest.articles import models as articles
from digest.audience import models as audience, standing
from digest.editions import choose
from digest.outbox import telling

# A reader who was away for a year has thousands waiting: of these the newest are looked at.
AT_MOST = 300
NAMED = 5


@dataclass(frozen=True, slots=True)
class Ahead:
    """`at` is None as it happens; `count` is how many wait, of those looked at."""

    at: datetime | None
    leads: tuple[pages.Lead, ...]
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.leads)


async def of(connection: AsyncConnection, one: standing.Standing, now: datetime) -> Ahead:
    row, cadence = one.subscription, audience.Cadence
    found = (await connection.execute(sa.select(cadence).where(cadence.id == row.cadence_id))).one()
    at = telling.first_at(found, one.spec, row.paused_until if one.is_paused(now) else None, now)
    ids = await _waiting(connection, one)
    named = await pages.named(connection, ids[:NAMED])
    return Ahead(at, tuple(named[id_] for id_ in ids[:NAMED] if id_ in named), len(ids))


async def _waiting(connection: AsyncConnection, one: standing.Standing) -> list[int]:
    """The Articles above what is settled for this reader, of the Topics they hold, newest first."""
    article, row = articles.Article, one.subscription
    statement = (
        sa.select(article.id, article.topics)
        .where(
            article.publication_id == row.publication_id,
            article.position > row.covered_to,
            article.state == articles.ArticleState.RELEASED,
        )
        .order_by(article.position.desc())
        .limit(AT_MOST)
    )
    held = None if one.choice.topics is None else frozenset(one.choice.topics)
    return [id_ for id_, topics in await connection.execute(statement) if choose.matches(topics, held)]
