"""The pass that forgets what is long over, so that tables do not grow for ever.

Takes finished Deliveries of Editions that ended long ago, and those Editions; never the newest that lives of a Cadence,
by which an older one knows that it is overtaken. Articles stay, and so do Subscriptions and their trail: links in old
mails still unsubscribe, for they name no row that goes. Works in slices with pauses, so that mail is never held up.
"""

import asyncio
import dataclasses
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql
from digest.editions import models as editions
from digest.outbox import fill, models, pauses, warmup

# SQLite's one write lock is held for a slice: at most some 50 ms for so many rows. Between two slices the sender gets
# its turn.
SLICE = 5_000
PAUSE_SECONDS = 0.1
EDITIONS_AT_ONCE = 200
# A Selection is found again by what it tells, and prepared mails remember it: it outlives the last Delivery by this.
GRACE = timedelta(days=30)

Table = type[models.Delivery] | type[models.Batch] | type[editions.Edition] | type[editions.Selection]


@dataclasses.dataclass
class Pruned:
    deliveries: int = 0
    batches: int = 0
    editions: int = 0
    selections: int = 0


async def run(db: database.Database, keep: timedelta | None, now: datetime) -> Pruned:
    """Forget what ended longer ago than `keep`; None keeps all. Pauses nobody has mail for go in any case."""
    pruned = Pruned()
    async with db.transaction() as connection:
        await pauses.prune(connection, now)
        await warmup.prune(connection, now)
    if keep is None:
        return pruned
    before = now - keep
    has_more = True
    while has_more:
        has_more = await _some_editions(db, before, pruned)
        await asyncio.sleep(PAUSE_SECONDS if has_more else 0)
    pruned.deliveries += await _in_slices(db, models.Delivery, _old_notices(before))
    pruned.batches += await _in_slices(db, models.Batch, sa.and_(models.Batch.edition_id.is_(None), _is_done()))
    pruned.selections += await _in_slices(db, editions.Selection, _unused(before - GRACE))
    return pruned


async def _some_editions(db: database.Database, before: datetime, pruned: Pruned) -> bool:
    """Whether there may be more. What another node is just taking is passed over, and left to it."""
    delivery, batch, edition = models.Delivery, models.Batch, editions.Edition
    ids = await _find_editions(db, before)
    if not ids:
        return False
    ended = sa.and_(delivery.edition_id.in_(ids), delivery.state.not_in(models.OPEN))
    counts = [await _in_slices(db, delivery, ended)]
    async with db.transaction() as connection:
        counts.append(await _delete(connection, batch, sa.and_(batch.edition_id.in_(ids), _is_done())))
        counts.append(await _delete(connection, edition, sa.and_(edition.id.in_(ids), _is_spare())))
    pruned.deliveries += counts[0]
    pruned.batches += counts[1]
    pruned.editions += counts[2]
    return any(counts)


async def _find_editions(db: database.Database, before: datetime) -> list[int]:
    """Some that ended before, and of which there is something left to take."""
    edition, delivery = editions.Edition, models.Delivery
    has_ended = sa.exists().where(delivery.edition_id == edition.id, delivery.state.not_in(models.OPEN))
    statement = (
        sa.select(edition.id)
        .where(edition.finished_at < before, sa.or_(has_ended, _is_spare()))
        .order_by(edition.finished_at)
        .limit(EDITIONS_AT_ONCE)
    )
    async with db.reading() as connection:
        return list((await connection.execute(statement)).scalars())


def _is_spare() -> sa.ColumnElement[bool]:
    """Nothing is left of this Edition but done Batches, and a newer one of its Cadence lives."""
    edition, delivery, batch = editions.Edition, models.Delivery, models.Batch
    has_mails = sa.exists().where(delivery.edition_id == edition.id)
    has_work = sa.exists().where(batch.edition_id == edition.id, batch.state != models.BatchState.DONE)
    return sa.and_(~has_mails, ~has_work, fill.newer_edition(edition.cadence_id, edition.id))


def _is_done() -> sa.ColumnElement[bool]:
    """Not the last Batch there is: SQLite would give its id to the next, and a Delivery may still name it."""
    batch = models.Batch
    last = sa.select(sa.func.max(orm.aliased(batch).id)).scalar_subquery()
    return sa.and_(batch.state == models.BatchState.DONE, batch.id < last)


def _old_notices(before: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(models.Delivery.edition_id.is_(None), models.Delivery.finished_at < before)


def _unused(before: datetime) -> sa.ColumnElement[bool]:
    """Selections no Edition has told since, but for what is still in flight."""
    selection, delivery = editions.Selection, models.Delivery
    in_flight = sql.among(delivery.state, models.IN_FLIGHT)
    named = sa.select(sa.func.coalesce(delivery.selection_id, 0)).where(in_flight)
    return sa.and_(selection.used_at < before, selection.id.not_in(named))


async def _in_slices(db: database.Database, table: Table, which: sa.ColumnElement[bool]) -> int:
    total = 0
    while True:
        async with db.transaction() as connection:
            count = await _delete(connection, table, which)
        total += count
        if count < SLICE:
            return total
        await asyncio.sleep(PAUSE_SECONDS)


async def _delete(connection: AsyncConnection, table: Table, which: sa.ColumnElement[bool]) -> int:
    """A slice of them. A CTE, because PostgreSQL may run a subquery with a LIMIT more than once; nested, because Python
    counts no rows for SQLite when a statement begins with WITH.
    """
    some = (
        sa.select(table.id)
        .where(which)
        .limit(SLICE)
        .with_for_update(skip_locked=True, of=table)
        .cte("some", nesting=True)
    )
    return (await connection.execute(sa.delete(table).where(table.id.in_(sa.select(some.c.id))))).rowcount
