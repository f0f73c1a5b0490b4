"""Readers whose mail was refused for too long, and their way back: by any act of theirs, or by the operator's word.

Leaves the Subscription `active` with its misses forgotten, and a row in the trail. `covered_to` stays where it is, so
what they missed is in the next digest. Who is failing is decided where mail is sent.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.audience import models, trail

State = models.SubscriptionState
# SQLite's one write lock is held for a slice.
SLICE = 1_000


async def reactivate(
    connection: AsyncConnection, subscription_ids: Sequence[int], *, door: trail.Door, now: datetime
) -> int:
    """Mail those of them that are failing again; how many that were."""
    subscription = models.Subscription
    woken = (
        sa.update(subscription)
        .where(subscription.id.in_(subscription_ids), subscription.state == State.FAILING)
        .values(state=State.ACTIVE, misses=0, missing_since=None)
        .returning(subscription.id)
    )
    ids = (await connection.execute(woken)).scalars().all()
    await trail.record(connection, [trail.Entry(id_, trail.What.REACTIVATED, door, now) for id_ in ids])
    return len(ids)


async def reactivate_all(db: database.Database, publication_id: int, *, door: trail.Door, now: datetime) -> int:
    """All of a Publication, in slices."""
    total, last = 0, 0
    while True:
        async with db.transaction() as connection:
            ids = (await connection.execute(_failing(publication_id, last))).scalars().all()
            if not ids:
                return total
            total, last = total + await reactivate(connection, ids, door=door, now=now), ids[-1]


def _failing(publication_id: int, last: int) -> sa.Select[Any]:
    subscription = models.Subscription
    found = sa.select(subscription.id).where(
        subscription.publication_id == publication_id, subscription.state == State.FAILING, subscription.id > last
    )
    return found.order_by(subscription.id).limit(SLICE).with_for_update(skip_locked=True)
