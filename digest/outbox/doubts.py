"""Digests in doubt that are not sent again by themselves: what becomes of them, by time or by the operator's word.

Held are those out of tries, and under `hold` all of them. They wait until the reader's next digest is due: then they
roll on, or under `hold` count as sent. Reads doubtful Deliveries; leaves them `sent`, `rolled`, or in a new Batch.
"""

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, sql
from digest.audience import models as audience
from digest.editions import models as editions
from digest.outbox import ends, fill, models

# Each takes some statements, and SQLite's one write lock is held for so many at a time.
AT_ONCE = 50
RESEND_PRIORITY = 5


class Verdict(enum.StrEnum):
    """What the operator knows or wants."""

    SENT = "sent"  # it arrived
    RESEND = "resend"  # once more, as the same mail
    ROLL = "roll"  # its Articles are told again with the next digest


class DoubtError(errors.DigestError):
    """There is no such mail, or it is in no doubt."""


def is_held(doubt: str) -> sa.ColumnElement[bool]:
    delivery = models.Delivery
    is_doubtful = sa.and_(
        sql.among(delivery.state, models.IN_FLIGHT),
        delivery.state == models.DeliveryState.DOUBTFUL,
        delivery.edition_id.is_not(None),
        delivery.batch_id.is_(None),
    )
    return is_doubtful if doubt == "hold" else sa.and_(is_doubtful, delivery.retry_at.is_(None))


async def settle(db: database.Database, doubt: str, now: datetime) -> int:
    """End those held whose reader's next digest is due, so that none blocks its reader for ever; how many."""
    async with db.reading() as connection:
        if not (await connection.execute(_over(doubt).limit(1))).first():
            return 0
    settled = 0
    while True:
        async with db.transaction() as connection:
            some = _over(doubt).limit(AT_ONCE).with_for_update(of=models.Delivery, skip_locked=True)
            rows = (await connection.execute(some)).all()
            for row in rows:
                await (ends.assume_sent if doubt == "hold" else ends.roll_doubt)(connection, row, now)
        settled += len(rows)
        if len(rows) < AT_ONCE:
            return settled


def _over(doubt: str) -> sa.Select[*tuple[Any, ...]]:
    """The next digest may be of another Cadence, if the reader has changed it; nobody waits for an erased reader's."""
    reader = audience.Subscription
    is_over = sa.or_(
        fill.newer_edition(editions.Edition.cadence_id, editions.Edition.id),
        fill.newer_edition(reader.cadence_id, editions.Edition.id),
        reader.id.is_(None),
    )
    return (
        _with_edition().outerjoin(reader, reader.id == models.Delivery.subscription_id).where(is_held(doubt), is_over)
    )


def _with_edition() -> sa.Select[*tuple[Any, ...]]:
    delivery, edition, cadence = models.Delivery, editions.Edition, audience.Cadence
    return (
        sa.select(delivery, edition.slot, cadence.frequency)
        .join(edition, edition.id == delivery.edition_id)
        .join(cadence, cadence.id == edition.cadence_id)
    )


async def resolve(connection: AsyncConnection, delivery_id: int, verdict: Verdict, now: datetime) -> None:
    """Do what the operator says about one doubtful digest. Raises DoubtError."""
    row = await _find(connection, delivery_id)
    if verdict is Verdict.SENT:
        await ends.assume_sent(connection, row, now, "the operator says it arrived")
    elif verdict is Verdict.ROLL:
        await ends.roll_doubt(connection, row, now, "the operator let it roll on")
    elif row.batch_id is None:
        await _send_again(connection, row)


async def _find(connection: AsyncConnection, delivery_id: int) -> Any:
    """The Delivery, its Subscription locked as a hand-over locks it, so that it is in no one else's hands."""
    delivery, subscription = models.Delivery, audience.Subscription
    whose = sa.select(delivery.subscription_id).where(delivery.id == delivery_id).scalar_subquery()
    await connection.execute(sa.select(subscription.id).where(subscription.id == whose).with_for_update())
    found = await connection.execute(_with_edition().where(delivery.id == delivery_id).with_for_update(of=delivery))
    row = found.one_or_none()
    if row is None:
        raise DoubtError(f"there is no digest with the number {delivery_id}; see: digest deliveries doubtful")
    if row.state is not models.DeliveryState.DOUBTFUL:
        raise DoubtError(f"delivery {delivery_id} is {row.state}, not in doubt; see: digest deliveries doubtful")
    return row


async def _send_again(connection: AsyncConnection, row: Any) -> None:
    """In a Batch of its own: what waits there is sent also under `hold`."""
    new = sa.insert(models.Batch).values(edition_id=row.edition_id, priority=RESEND_PRIORITY).returning(models.Batch.id)
    batch_id = (await connection.execute(new)).scalar_one()
    await connection.execute(
        sa.update(models.Delivery).where(models.Delivery.id == row.id).values(batch_id=batch_id, retry_at=None)
    )


async def find_all(connection: AsyncConnection, limit: int) -> Sequence[Any]:
    """Doubtful digests with whose they are, the oldest first."""
    delivery, reader, person = models.Delivery, audience.Subscription, audience.Subscriber
    statement = (
        _with_edition()
        .add_columns(person.email)
        .outerjoin(reader, reader.id == delivery.subscription_id)
        .outerjoin(person, person.id == reader.subscriber_id)
        .where(
            sql.among(delivery.state, models.IN_FLIGHT),
            delivery.state == models.DeliveryState.DOUBTFUL,
        )
        .order_by(delivery.id)
        .limit(limit)
    )
    return (await connection.execute(statement)).all()
