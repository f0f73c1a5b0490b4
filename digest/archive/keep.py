"""The pass that writes the Pages of the archive as they fall due. Safe to repeat, and from any number of nodes.

Reads released Articles above the last Page of each frequency; leaves Pages. Where an archive is new it is written from
the first Article on. Publications without an archive are passed over.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications
from digest.archive import calendar, models
from digest.articles import models as articles
from digest.outbox import models as outbox

log = structlog.get_logger()

# Articles looked at in one go; a Page with more is written in a second look that sees them all.
AT_ONCE = 2_000
# A new archive of a hundred thousand Articles takes some minutes. Each run leaves the turn to what else is due.
ROUNDS = 10
# A Page written later than this was not there when its mails left.
LATE = timedelta(days=1)
# How many of a Page's Articles lists and feeds name at most.
LEADS = 10


async def run(db: database.Database, now: datetime) -> int:
    """Write the Pages that are due, and of a long backlog some; how many that were."""
    publication = publications.Publication
    statement = sa.select(publication).order_by(publication.id)
    async with db.reading() as connection:
        rows = (await connection.execute(statement)).all()
    written = 0
    for row in rows:
        try:
            written += await _publication(db, row, now)
        except errors.DigestError as error:
            # A row that somebody changed, or a zone that is no longer known: the other Publications go on.
            log.error("archive_set_aside", publication=row.slug, reason=str(error))
    return written


async def _publication(db: database.Database, row: Any, now: datetime) -> int:
    spec, written = publications.load(row.spec), 0
    for offer in spec.frequencies if spec.has_archive else ():
        terms = calendar.terms(spec, offer)
        for _ in range(ROUNDS):
            days = await _due(db, row, offer.frequency, terms, now)
            if not days:
                break
            written += await _write(db, row.id, offer.frequency, days, now)
    return written


async def _due(
    db: database.Database, publication: Any, frequency: str, terms: calendar.Terms, now: datetime
) -> list[tuple[int, calendar.Day]]:
    """The next Pages, oldest first, each with the position it begins above; none when all are written."""
    async with db.reading() as connection:
        last = await _last(connection, publication.id, frequency)
        above, after = (last.upto, last.date) if last else (0, None)
        if above >= publication.head:
            return []
        first = await _items(connection, publication.id, above, 1)
        if not first or not calendar.is_due(first[0], terms, after=after, now=now):
            return []
        days = await _whole(
            connection, publication.id, above, lambda seen: calendar.days(seen, terms, after=after, now=now)
        )
    starts = [above, *(day.items[-1].position for day in days)]
    return list(zip(starts, days, strict=False))


async def _whole(
    connection: AsyncConnection,
    publication_id: int,
    above: int,
    days: Callable[[list[calendar.Item]], Iterator[calendar.Day]],
) -> list[calendar.Day]:
    """The next days whose Articles have all been seen."""
    at_once = AT_ONCE
    while True:
        items = await _items(connection, publication_id, above, at_once)
        found = list(days(items))
        if len(items) < at_once:
            return found
        if found and found[-1].items[-1] is items[-1]:
            found.pop()
        if found:
            return found
        at_once *= 4


async def _last(connection: AsyncConnection, publication_id: int, frequency: str) -> Any:
    page = models.Page
    statement = (
        sa.select(page.date, page.upto)
        .where(page.publication_id == publication_id, page.frequency == frequency)
        .order_by(page.date.desc())
        .limit(1)
    )
    return (await connection.execute(statement)).one_or_none()


async def _items(connection: AsyncConnection, publication_id: int, above: int, at_most: int) -> list[calendar.Item]:
    article = articles.Article
    statement = (
        sa.select(article.id, article.position, article.release_at, article.published_at)
        .where(
            article.publication_id == publication_id,
            article.position > above,
            article.state == articles.ArticleState.RELEASED,
        )
        .order_by(article.position)
        .limit(at_most)
    )
    rows = await connection.execute(statement)
    return [calendar.Item(row.id, row.position, row.release_at, row.published_at) for row in rows]


async def _write(
    db: database.Database, publication_id: int, frequency: str, days: Sequence[tuple[int, calendar.Day]], now: datetime
) -> int:
    """How many were written: none if another node has written some meanwhile, for it may have known another offer.

    The Publication's row is locked first, so nobody else writes between the look and the rows.
    """
    page, publication = models.Page, publications.Publication
    async with db.transaction() as connection:
        await connection.execute(sa.select(publication.id).where(publication.id == publication_id).with_for_update())
        last = await _last(connection, publication_id, frequency)
        if (last.upto if last else 0) != days[0][0]:
            return 0
        newest = await connection.scalar(sa.select(sa.func.max(outbox.Delivery.id))) or 0
        shared: dict[str, Any] = {"publication_id": publication_id, "frequency": frequency}
        rows = [
            shared | _values(above, day) | {"newest_delivery": newest if now - day.due_at < LATE else None}
            for above, day in days
        ]
        await connection.execute(sa.insert(page), rows)
    return len(days)


def _values(above: int, day: calendar.Day) -> dict[str, Any]:
    return {
        "date": day.date,
        "due_at": day.due_at,
        "above": above,
        "upto": day.items[-1].position,
        "leads": [item.id for item in sorted(day.items, key=_rank, reverse=True)[:LEADS]],
    }


def _rank(item: calendar.Item) -> tuple[datetime, int]:
    """As readers have them ranked: the newest first."""
    return item.published_at or item.release_at, item.position
