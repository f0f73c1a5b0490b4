"""What a welcome was to tell and did not: given back to its reader's digests.

A welcome moves `covered_to` when it is queued, so its end without an acceptance has to move it back. Reads Deliveries
that just ended; leaves their Subscription as if there had been no welcome, unless a digest has gone on from there.
"""

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.audience import models as audience
from digest.outbox import models

ENDED = (models.DeliveryState.FAILED, models.DeliveryState.WITHHELD)


async def give_back(connection: AsyncConnection, delivery_ids: Collection[int]) -> None:
    """Of these notices, those that ended in this transaction. By their rows: a result that came too late ends none."""
    if not delivery_ids:
        return
    delivery, subscription = models.Delivery, audience.Subscription
    is_untold = sa.and_(
        delivery.id.in_(delivery_ids),
        delivery.state.in_(ENDED),
        delivery.edition_id.is_(None),
        delivery.upto.is_not(None),
    )
    for row in (await connection.execute(sa.select(delivery).where(is_untold).order_by(delivery.id))).all():
        # Behind a digest that went on from `upto` there is no way back: what was accepted is settled.
        is_last = sa.and_(subscription.id == row.subscription_id, subscription.covered_to == row.upto)
        moved = await connection.execute(sa.update(subscription).where(is_last).values(covered_to=row.covered_from))
        if moved.rowcount:
            forgotten = {"covered_from": None, "upto": None, "selection_id": None}
            await connection.execute(sa.update(delivery).where(delivery.id == row.id).values(forgotten))
