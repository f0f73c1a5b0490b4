"""Editions in a row that could not be delivered to a reader, and when that is too many.

A miss is a digest that ended `failed` or `rolled` after the reader's side refused it; what we, our relay or our
reputation are to blame for is none, nor is what was cancelled, withheld or never tried. An acceptance starts the count
anew. Reads Deliveries that just ended; leaves the count of their Subscriptions, and the state
`failing` with a row in the trail.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.audience import models as audience, trail
from digest.outbox import models, outcomes

# Both must be reached: a daily reader's full mailbox has three weeks to be emptied, a monthly one's five months.
EDITIONS = 5
SPAN = timedelta(days=21)
# What an acceptance sets, in the UPDATE of the Subscription that records it.
NONE: dict[str, Any] = {"misses": 0, "missing_since": None}


def is_too_many(misses: int, missing_since: datetime, now: datetime) -> bool:
    return misses >= EDITIONS and now - missing_since >= SPAN


def blamed(outcome: outcomes.Outcome) -> dict[str, Any]:
    """The column to write for this outcome of a try, if it says anything about the reader's side."""
    if isinstance(outcome, outcomes.TryAt | outcomes.GiveUp) and outcome.is_miss:
        return {"blame": outcome.blame.value}
    return {}


async def note(connection: AsyncConnection, delivery_ids: Collection[int], now: datetime) -> None:
    """Count the misses among these Deliveries, which were ended in this transaction, with `finished_at` = now.

    By their rows and not by what the caller thinks: a result that came too late has changed nothing, so it counts
    nothing.
    """
    if not delivery_ids:
        return
    delivery = models.Delivery
    missed = sa.select(delivery.subscription_id).where(
        delivery.id.in_(delivery_ids),
        delivery.state.in_([models.DeliveryState.FAILED, models.DeliveryState.ROLLED]),
        delivery.finished_at == now,
        delivery.edition_id.is_not(None),
        delivery.blame.is_not(None),
    )
    ids = (await connection.execute(missed)).scalars().all()
    if ids:
        await _count(connection, ids, now)


async def _count(connection: AsyncConnection, subscription_ids: Sequence[int], now: datetime) -> None:
    subscription = audience.Subscription
    # Locked in order of id, so that two nodes never wait for each other in a ring.
    locked = (
        sa.select(subscription.id, subscription.state, subscription.misses, subscription.missing_since)
        .where(subscription.id.in_(subscription_ids))
        .order_by(subscription.id)
        .with_for_update()
    )
    rows = (await connection.execute(locked)).all()
    more = sa.update(subscription).where(subscription.id.in_([row.id for row in rows]))
    since = sa.func.coalesce(subscription.missing_since, sa.literal(now, subscription.missing_since.type))
    await connection.execute(more.values(misses=subscription.misses + 1, missing_since=since))
    active = audience.SubscriptionState.ACTIVE
    failing = [
        row.id for row in rows if row.state is active and is_too_many(row.misses + 1, row.missing_since or now, now)
    ]
    if failing:
        await _fail(connection, failing, now)


async def _fail(connection: AsyncConnection, subscription_ids: Sequence[int], now: datetime) -> None:
    subscription = audience.Subscription
    failing = sa.update(subscription).where(subscription.id.in_(subscription_ids))
    await connection.execute(failing.values(state=audience.SubscriptionState.FAILING))
    entries = [trail.Entry(id_, trail.What.FAILING, trail.Door.SENDER, now) for id_ in subscription_ids]
    await trail.record(connection, entries)
