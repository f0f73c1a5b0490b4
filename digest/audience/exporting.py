"""The export of a Publication's readers, as the CSV that import reads, with the state each is in. Reads only."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest import database, publications
from digest.audience import models, preferences, rows, standing

# Rows in memory at a time: a list of millions is written as it is read.
PAGE = 2000


async def lines(db: database.Database, publication_id: int) -> AsyncIterator[str]:
    """The CSV text, some thousand lines at a time."""
    yield _csv([rows.COLUMNS])
    after = 0
    while True:
        page = await _page(db, publication_id, after)
        yield _csv(map(_cells, page))
        if len(page) < PAGE:
            return
        after = page[-1].id


async def _page(db: database.Database, publication_id: int, after: int) -> Sequence[sa.Row[Any]]:
    """In a transaction of its own: a slow line must hold none open."""
    async with db.reading() as connection:
        found: Sequence[sa.Row[Any]] = (await connection.execute(_query(publication_id, after))).all()
        return found


def _query(publication_id: int, after: int) -> sa.Select[Any]:
    return (
        standing.query()
        .where(models.Subscription.publication_id == publication_id, models.Subscription.id > after)
        .order_by(models.Subscription.id)
        .limit(PAGE)
    )


def _cells(row: sa.Row[Any]) -> tuple[str, ...]:
    weekday = publications.WEEKDAYS[row.weekday] if row.frequency in preferences.HAVE_WEEKDAY else ""
    # An instant reader has neither zone nor time of day; empty cells say so and come back as such.
    timed = ("", "") if row.frequency == "instant" else (row.timezone, row.send_at)
    said = (row.email, row.name, row.frequency, *timed, weekday, ";".join(row.topics or ()))
    said += (row.locale or "", row.layout or "")
    since = (_instant(row.confirmed_at), _instant(row.left_at))
    return (*map(rows.guarded, said), _instant(row.paused_until), str(row.state), *since)


def _instant(at: datetime | None) -> str:
    return at.isoformat() if at else ""


def _csv(records: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(records)
    return text.getvalue()
