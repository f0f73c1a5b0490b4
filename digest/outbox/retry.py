"""The pass that sends due retries round again, settles old doubt, and closes Editions that are done.

Reads deferred and doubtful Deliveries whose `retry_at` has come; leaves them in new Batches. Retries are rows: nothing
is kept in memory between two tries.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import announcements, database, sql
from digest.editions import models as editions
from digest.outbox import doubts, ends, models, wake

RETRY_PRIORITY = 20
NOTICE_PRIORITY = 0


async def run(
    db: database.Database, *, batch_size: int, doubt: str, now: datetime, submit: wake.Submit = wake.nobody
) -> int:
    """Put due retries into Batches; how many Deliveries that were."""
    await ends.find_forgotten(db, now)
    await doubts.settle(db, doubt, now)
    moved = 0
    for edition_id in await _waiting_editions(db, doubt, now):
        is_full = True
        while is_full:
            async with db.transaction() as connection:
                batch_id, count = await _regroup(connection, edition_id, batch_size=batch_size, doubt=doubt, now=now)
                if batch_id is not None:
                    await submit(connection, [batch_id])
            moved, is_full = moved + count, count == batch_size
    await _finish_editions(db, now)
    return moved


def _is_due(doubt: str, now: datetime) -> sa.ColumnElement[bool]:
    """Under `hold` a doubtful digest waits for the operator and is never sent again by itself.

    A notice is: it tells no Articles, and while it waited its reader would get no digest either.
    """
    delivery = models.Delivery
    is_held = sa.and_(delivery.state == models.DeliveryState.DOUBTFUL, delivery.edition_id.is_not(None))
    terms = [sql.among(delivery.state, models.WAITING), delivery.retry_at <= now, delivery.batch_id.is_(None)]
    return sa.and_(*terms, ~is_held) if doubt == "hold" else sa.and_(*terms)


async def _waiting_editions(db: database.Database, doubt: str, now: datetime) -> list[int | None]:
    """Editions with due retries; None stands for notices."""
    async with db.reading() as connection:
        # `+ 0`, or SQLite walks the index on edition_id from end to end because it is in the order DISTINCT wants.
        statement = sa.select(models.Delivery.edition_id + 0).where(_is_due(doubt, now)).distinct()
        return list((await connection.execute(statement)).scalars())


async def _regroup(
    connection: AsyncConnection, edition_id: int | None, *, batch_size: int, doubt: str, now: datetime
) -> tuple[int | None, int]:
    """One Batch of due retries of one Edition, and how many these are; no Batch if there are none.

    A deferred one is queued anew; a doubtful one stays what it is.
    """
    delivery, batch = models.Delivery, models.Batch
    priority = NOTICE_PRIORITY if edition_id is None else RETRY_PRIORITY
    of_edition = delivery.edition_id.is_(None) if edition_id is None else delivery.edition_id == edition_id
    due = sa.select(delivery.id).where(_is_due(doubt, now), of_edition).order_by(delivery.id).limit(batch_size)
    ids = list((await connection.execute(due.with_for_update(skip_locked=True))).scalars())
    if not ids:
        return None, 0
    new = sa.insert(batch).values(edition_id=edition_id, priority=priority).returning(batch.id)
    batch_id = (await connection.execute(new)).scalar_one()
    requeued = sa.case(
        (delivery.state == models.DeliveryState.DEFERRED, sa.literal(models.DeliveryState.QUEUED, delivery.state.type)),
        else_=delivery.state,
    )
    statement = sa.update(delivery).where(delivery.id.in_(ids)).values(batch_id=batch_id, state=requeued)
    return batch_id, (await connection.execute(statement)).rowcount


async def _finish_editions(db: database.Database, now: datetime) -> None:
    """Close filled Editions of which no Delivery is open.

    Open ones are either in a Batch that is not done, or wait for a retry without a Batch: both small indexes, so a
    million finished Deliveries are not looked at.
    """
    edition, batch, delivery = editions.Edition, models.Batch, models.Delivery
    batches = sa.exists().where(batch.edition_id == edition.id, batch.state != models.BatchState.DONE)
    is_waiting = sql.among(delivery.state, models.WAITING)
    # Notices have no Edition, and one NULL makes NOT IN unknown. Left out by IS NOT NULL, they would make SQLite
    # walk the index on edition_id, which is as long as the table.
    retries = sa.select(sa.func.coalesce(delivery.edition_id, 0)).where(is_waiting)
    done = sa.and_(editions.is_open_as(editions.EditionState.FILLED), ~batches, edition.id.not_in(retries))
    async with db.reading() as connection:
        if not (await connection.execute(sa.select(edition.id).where(done).limit(1))).first():
            return
    # Those another node is just closing are passed over rather than waited for.
    ours = sa.select(edition.id).where(done).with_for_update(skip_locked=True, of=edition)
    async with db.transaction() as connection:
        values = {"state": editions.EditionState.FINISHED, "finished_at": now, "paused_at": None}
        closed = sa.update(edition).where(edition.id.in_(ours)).values(values)
        rows = (await connection.execute(closed.returning(edition.id, edition.publication_id))).all()
        told = announcements.Event.EDITION_SENT
        await announcements.leave(
            connection, [announcements.Note(told, now, row.publication_id, edition_id=row.id) for row in rows]
        )
