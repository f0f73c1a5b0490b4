"""The pass for mail that is no Edition: confirm, welcome, goodbye.

Reads Subscriptions with a `notice_due`; leaves a Delivery in a Batch that goes before all others. It is rendered,
signed, tried and recorded like any digest.
"""

from datetime import datetime

import sqlalchemy as sa

from digest import database
from digest.audience import models as audience
from digest.outbox import models, wake

PRIORITY = 0
AT_ONCE = 100


async def run(db: database.Database, now: datetime, *, submit: wake.Submit = wake.nobody) -> int:
    """Queue every notice due; how many that were."""
    # A look takes no write lock, and there is seldom anything.
    wanted = sa.select(audience.Subscription.id).where(audience.Subscription.notice_due.is_not(None)).limit(1)
    async with db.reading() as connection:
        if (await connection.execute(wanted)).first() is None:
            return 0
    total = 0
    while count := await _queue(db, submit, now):
        total += count
    return total


async def _queue(db: database.Database, submit: wake.Submit, now: datetime) -> int:
    """One Batch of notices. The wish is taken off the Subscription in the transaction that makes the Delivery."""
    subscription, delivery = audience.Subscription, models.Delivery
    due = (
        sa.select(subscription.id, subscription.publication_id, subscription.notice_due)
        .where(subscription.notice_due.is_not(None))
        .order_by(subscription.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    async with db.transaction() as connection:
        rows = (await connection.execute(due)).all()
        if not rows:
            return 0
        new = sa.insert(models.Batch).values(priority=PRIORITY).returning(models.Batch.id)
        batch_id = (await connection.execute(new)).scalar_one()
        await submit(connection, [batch_id])
        deliveries = [
            {
                "kind": row.notice_due,
                "publication_id": row.publication_id,
                "subscription_id": row.id,
                "batch_id": batch_id,
                "created_at": now,
            }
            for row in rows
        ]
        await connection.execute(sa.insert(delivery), deliveries)
        done = sa.update(subscription).where(subscription.id.in_([row.id for row in rows]))
        await connection.execute(done.values(notice_due=None))
        return len(rows)
