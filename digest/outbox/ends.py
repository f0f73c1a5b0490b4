"""Ends without a reply: what is not sent after all, and what a vanished worker or an old doubt leaves.

Reads Deliveries in the transaction that decided on them; leaves their last state, and what it means for their readers.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql
from digest.audience import models as audience
from digest.editions import models as editions, slots
from digest.outbox import facts, handing, handover, misses, models, outcomes, record, scene as scenes, untold, writer


async def stop(
    connection: AsyncConnection, stopped: list[handing.Proposal], scene: scenes.Scene, now: datetime
) -> None:
    """Record what takes another end than being sent."""
    if not stopped:
        return
    verdicts = [(one.facts.row, one.verdict) for one in stopped if not isinstance(one.verdict, writer.Order)]
    await stops(connection, verdicts, now)
    edition = scene.edition
    if edition is None:
        await untold.give_back(connection, [one.id for one in stopped])
        return
    if edition.state is not editions.EditionState.CANCELLED:
        await misses.note(connection, [one.id for one in stopped if one.facts.row.tries], now)
    for one in stopped:
        if facts.is_doubtful(one.facts.row):
            doubt = in_doubt(one.facts.row, slot=edition.slot, frequency=edition.frequency)
            await record.note_pace(connection, doubt)
    empty = [one.facts.row.subscription_id for one in stopped if state_of(one.verdict) is models.DeliveryState.EMPTY]
    if empty:
        await settle_empty(connection, empty, edition.upto)


async def stops(
    connection: AsyncConnection, stopped: Sequence[tuple[Any, handover.Stop | handover.Wait]], now: datetime
) -> None:
    """Record Deliveries that were not handed over."""
    rows: list[dict[str, Any]] = []
    for row, verdict in stopped:
        if isinstance(verdict, handover.Wait):
            is_doubtful = row.state is models.DeliveryState.DOUBTFUL
            is_notice = row.edition_id is None
            values = record.again(is_doubtful, verdict.reason, verdict.until, is_notice=is_notice)
        else:
            values = record.columns(verdict.state, reason=verdict.reason, finished_at=now)
        rows.append({"delivery": row.id, **values})
    await record.write(connection, rows)


async def settle_empty(connection: AsyncConnection, subscription_ids: Sequence[int], upto: int) -> None:
    """Nothing matched for these readers up to here."""
    subscription = audience.Subscription
    statement = sa.update(subscription).where(subscription.id.in_(subscription_ids))
    await connection.execute(statement.values(covered_to=sql.greatest(subscription.covered_to, upto)))


async def vanished(connection: AsyncConnection, batch_id: int, now: datetime) -> int:
    """The worker that held this Batch is gone: what it had handed over is in doubt, and how many that is."""
    delivery = models.Delivery
    of_batch = sa.and_(delivery.batch_id == batch_id, sql.among(delivery.state, models.OPEN))
    return await _into_doubt(connection, of_batch, now)


async def find_forgotten(db: database.Database, now: datetime) -> int:
    """Call in doubt what is `sending` in a Batch that is done; how many that were.

    A database that lost commits in a crash (asynchronous replication, synchronous_commit = off) may come back like
    that, and nobody else would ever look.
    """
    delivery = models.Delivery
    is_done = sa.exists().where(models.Batch.id == delivery.batch_id, models.Batch.state == models.BatchState.DONE)
    lost = sa.and_(sql.among(delivery.state, models.IN_FLIGHT), delivery.state == models.DeliveryState.SENDING, is_done)
    async with db.glance() as connection:
        if (await connection.execute(sa.select(delivery.id).where(lost).limit(1))).first() is None:
            return 0
    async with db.transaction() as connection:
        return await _into_doubt(connection, lost, now)


async def _into_doubt(connection: AsyncConnection, which: sa.ColumnElement[bool], now: datetime) -> int:
    delivery = models.Delivery
    reason = "the sending process ended before the reply was recorded"
    # A notice is never held; the hand-over ends it.
    is_held = sa.and_(delivery.doubts + 1 >= handover.MAX_DOUBTS, delivery.edition_id.is_not(None))
    values = {
        "state": models.DeliveryState.DOUBTFUL,
        "doubts": delivery.doubts + 1,
        "retry_at": sa.case((is_held, sa.null()), else_=sa.literal(now + record.GRACE, delivery.retry_at.type)),
        "batch_id": None,
        "reason": sa.case((is_held, f"{record.OUT_OF_TRIES}: {reason}"), else_=reason),
    }
    on_wire = sa.update(delivery).where(which, delivery.state == models.DeliveryState.SENDING)
    return (await connection.execute(on_wire.values(values))).rowcount


async def assume_sent(
    connection: AsyncConnection, row: Any, now: datetime, reason: str = "assumed: no reply was recorded"
) -> None:
    """A doubtful digest counts as sent: settle its range. `row` has also the slot and frequency of its Edition."""
    values = record.columns(models.DeliveryState.SENT, reason=reason, finished_at=now)
    await record.write(connection, [{"delivery": row.id, **values}])
    await record.cover(connection, [in_doubt(row, slot=row.slot, frequency=row.frequency)])


async def roll_doubt(connection: AsyncConnection, row: Any, now: datetime, reason: str = record.OUT_OF_TRIES) -> None:
    """A doubtful digest rolls on: its Articles are told again with the next."""
    values = record.columns(models.DeliveryState.ROLLED, reason=reason, finished_at=now)
    await record.write(connection, [{"delivery": row.id, **values}])
    await record.note_pace(connection, in_doubt(row, slot=row.slot, frequency=row.frequency))
    await misses.note(connection, [row.id], now)


def in_doubt(row: Any, *, slot: str, frequency: str) -> record.Settled:
    """A doubtful Delivery of an Edition as if its last copy had been accepted."""
    return record.Settled(
        delivery_id=row.id,
        tries=row.tries,
        subscription_id=row.subscription_id,
        address_key="",
        upto=row.upto,
        local_date=slots.local_date(slot),
        is_instant=frequency == "instant" and not slots.is_send_now(slot),
        handed_over_at=row.handed_over_at,
        was_doubtful=True,
        doubts=row.doubts,
        outcome=outcomes.Sent(),
        code=None,
    )


async def withhold_erased(connection: AsyncConnection, batch_id: int, now: datetime) -> None:
    """Deliveries whose Subscription is gone, or the change of address they ask about, can never be handed over."""
    delivery = models.Delivery
    left = sa.and_(
        delivery.batch_id == batch_id,
        sql.among(delivery.state, models.OPEN),
        delivery.state.in_(facts.HANDED_OVER),
    )
    change = sa.exists().where(audience.AddressChange.id == delivery.address_change_id)
    over = sa.and_(delivery.address_change_id.is_not(None), ~change)
    gone = sa.or_(~sa.exists().where(audience.Subscription.id == delivery.subscription_id), over)
    reason = sa.case((over, "the address is no longer to be changed"), else_="erased")
    values = {"state": models.DeliveryState.WITHHELD, "reason": reason, "finished_at": now}
    await connection.execute(sa.update(delivery).where(left, gone).values(values))


def state_of(verdict: Any) -> models.DeliveryState:
    """The state a verdict leads to that is no Order."""
    return verdict.state if isinstance(verdict, handover.Stop) else models.DeliveryState.DEFERRED
