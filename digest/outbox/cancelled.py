"""What was not handed over of a cancelled Edition rolls on at once, without going through the sender.

Leaves queued and deferred Deliveries `rolled` and their Batches done. What a sender has in hand is passed over: it ends
as it ends, and the sender asks about the Edition again at its next turn. So nothing depends on this to come to its end.
"""

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql
from digest.audience import models as audience
from digest.editions import held
from digest.outbox import models

# SQLite's one write lock is held for a slice: some 25 ms for this many.
SLICE = 2_000
WAITING = (models.DeliveryState.QUEUED, models.DeliveryState.DEFERRED)


async def cancel(db: database.Database, edition_id: int, now: datetime) -> tuple[bool, int]:
    """Cancel an Edition and roll on what waits: whether it is new, and how many Deliveries. Raises EditionError."""
    async with db.transaction() as connection:
        is_new = await held.cancel(connection, edition_id, now)
    # Also the second time: the first may have been broken off.
    return is_new, await roll(db, edition_id, now)


async def roll(db: database.Database, edition_id: int, now: datetime) -> int:
    """Roll on what waits; how many Deliveries that were. The Edition is cancelled already."""
    total = 0
    while True:
        async with db.transaction() as connection:
            count = await _roll_slice(connection, edition_id, now)
            if not count:
                await _close_batches(connection, edition_id)
                return total
            total += count


async def _roll_slice(connection: AsyncConnection, edition_id: int, now: datetime) -> int:
    """With the Subscriptions locked, as a hand-over locks them: never both at once for the same reader."""
    delivery, subscription = models.Delivery, audience.Subscription
    waiting = (
        sa.select(delivery.id)
        .join(subscription, subscription.id == delivery.subscription_id)
        .where(
            delivery.edition_id == edition_id,
            sql.among(delivery.state, models.OPEN),
            delivery.state.in_(WAITING),
        )
        .limit(SLICE)
        .with_for_update(of=(delivery, subscription), skip_locked=True)
    )
    ids = list((await connection.execute(waiting)).scalars())
    values = {
        "state": models.DeliveryState.ROLLED,
        "reason": "the Edition was cancelled",
        "retry_at": None,
        "finished_at": now,
    }
    for start in range(0, len(ids), 500):
        some = delivery.id.in_(ids[start : start + 500])
        await connection.execute(sa.update(delivery).where(some).values(values))
    return len(ids)


async def _close_batches(connection: AsyncConnection, edition_id: int) -> None:
    """Batches with nothing left in them. One that is being sent is closed by whoever sends it."""
    batch, delivery = models.Batch, models.Delivery
    left = sa.exists().where(delivery.batch_id == batch.id, sql.among(delivery.state, models.OPEN))
    empty = sa.and_(batch.edition_id == edition_id, batch.state == models.BatchState.QUEUED, ~left)
    await connection.execute(sa.update(batch).where(empty).values(state=models.BatchState.DONE))
