"""The pass that forgets who never confirmed: a stranger may have typed that address, so nobody wished to be kept.

Three days after their request to confirm went out, when its link is dead, pending Subscriptions go, with trail,
consent, what was to be told of them and, if nothing else is theirs, the Subscriber. Who was a reader once and left is
not forgotten but has left again, so that no import revives them. Pending ones that were never asked are the operator's
list, and stay.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import announcements, database, sql
from digest.audience import models, people, trail
from digest.outbox import models as outbox

State = models.SubscriptionState
KEPT = timedelta(hours=72)
# Each takes some five statements, and SQLite has one write lock.
AT_ONCE = 200


async def run(db: database.Database, now: datetime) -> int:
    """Forget all whose time is over; how many that were."""
    total = 0
    while True:
        async with db.transaction() as connection:
            rows = (await connection.execute(_overdue(now - KEPT))).all()
            await _forget(connection, [row.id for row in rows if not _was_reader(row)])
            await _leave_again(connection, [row.id for row in rows if _was_reader(row)], now)
        total += len(rows)
        if len(rows) < AT_ONCE:
            return total


def _was_reader(row: Any) -> bool:
    return row.confirmed_at is not None or row.left_at is not None


def _overdue(before: datetime) -> sa.Select[Any]:
    subscription, change = models.Subscription, models.Change
    newest = (
        sa.select(sa.func.max(change.at))
        .where(change.subscription_id == subscription.id, change.what == trail.What.ASKED)
        .scalar_subquery()
    )
    columns: tuple[Any, ...] = (subscription.id, subscription.confirmed_at, subscription.left_at)
    return (
        sa.select(*columns)
        # Spelled out, so that SQLite sees that its partial index has them all.
        .where(sql.among(subscription.state, (State.PENDING,)), subscription.notice_due.is_(None))
        .where(newest < before, subscription.id.not_in(_asked_lately(before)))
        .order_by(subscription.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True, of=subscription)
    )


def _asked_lately(before: datetime) -> sa.Select[Any]:
    """Whose request is still on its way, or went out since: a relay may have been down for a day."""
    delivery = outbox.Delivery
    is_fresh = sa.or_(delivery.finished_at.is_(None), delivery.finished_at >= before)
    return sa.select(delivery.subscription_id).where(
        delivery.edition_id.is_(None), delivery.kind == "confirm", is_fresh
    )


async def _forget(connection: AsyncConnection, ids: Sequence[int]) -> None:
    if not ids:
        return
    subscription = models.Subscription
    whose = sa.select(subscription.subscriber_id).where(subscription.id.in_(ids))
    theirs = await people.hold(connection, (await connection.execute(whose)).scalars().all())
    await announcements.forget(connection, sa.select(subscription.id).where(subscription.id.in_(ids)))
    for model in (models.Change, models.Consent):
        await connection.execute(sa.delete(model).where(model.subscription_id.in_(ids)))
    await connection.execute(sa.delete(subscription).where(subscription.id.in_(ids)))
    await people.drop_idle(connection, theirs)


async def _leave_again(connection: AsyncConnection, ids: Sequence[int], now: datetime) -> None:
    if ids:
        left = sa.update(models.Subscription).where(models.Subscription.id.in_(ids))
        left_at = sa.func.coalesce(models.Subscription.left_at, now, type_=database.UtcDateTime())
        await connection.execute(left.values(state=State.UNSUBSCRIBED, left_at=left_at))
