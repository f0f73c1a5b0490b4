"""Writes down what became of Deliveries: one grouped transaction for all connections that wait.

A result is recorded whoever holds the Batch by now: an accepted mail must never be forgotten. `sent` and `empty` move
the reader's `covered_to`; every other end moves nothing, so those Articles come with the next digest.
"""

import dataclasses
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.audience import models as audience, suppression
from digest.editions import slots
from digest.outbox import handover, models, outcomes

# How long to wait before a doubtful mail is repeated: longer each time, for the server may be in trouble.
DOUBT_PAUSE = timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Settled:
    """A Delivery and what the transport's reply meant for it."""

    delivery_id: int
    subscription_id: int
    address_key: str
    upto: int | None
    local_date: date | None
    is_instant: bool
    handed_over_at: datetime
    was_doubtful: bool
    doubts: int
    outcome: outcomes.Outcome
    code: int | None


async def results(
    connection: AsyncConnection, settled: Sequence[Settled], hasher: suppression.Hasher, now: datetime
) -> None:
    """Record what the transport said of each."""
    rows = []
    for one in settled:
        values, covers = _values(one, now)
        rows.append({"delivery": one.delivery_id, "code": one.code, **values})
        if covers and one.upto is not None:
            await cover(connection, one)
        if isinstance(one.outcome, outcomes.GiveUp) and one.outcome.suppress:
            refused = audience.SuppressionReason.REFUSED
            await suppression.add(connection, hasher, one.address_key, reason=refused, now=now)
    await write(connection, rows)


def _values(one: Settled, now: datetime) -> tuple[dict[str, Any], bool]:
    """The columns to write, and whether the range is settled now."""
    state = models.DeliveryState
    outcome = one.outcome
    if isinstance(outcome, outcomes.Sent):
        return _columns(state.SENT, finished_at=now), True
    if isinstance(outcome, outcomes.Doubt):
        return _doubt(one, outcome.reason, now), False
    if isinstance(outcome, outcomes.TryAt):
        # A doubtful mail keeps its frozen range: the copy before this one may have been accepted.
        again = state.DOUBTFUL if one.was_doubtful else state.DEFERRED
        return _columns(again, reason=outcome.reason, retry_at=outcome.at, batch_id=None), False
    rolls = one.was_doubtful or (outcome.is_late and one.upto is not None)
    return _columns(state.ROLLED if rolls else state.FAILED, reason=outcome.reason, finished_at=now), False


def state_of(one: Settled) -> models.DeliveryState:
    """The state this result leads to."""
    values, _ = _values(one, one.handed_over_at)
    return models.DeliveryState(values["state"])


def _doubt(one: Settled, reason: str, now: datetime) -> dict[str, Any]:
    pause = DOUBT_PAUSE * 4**one.doubts
    return _columns(
        models.DeliveryState.DOUBTFUL, reason=reason, retry_at=now + pause, batch_id=None, doubts=one.doubts + 1
    )


def _columns(state: models.DeliveryState, **values: Any) -> dict[str, Any]:
    return {"state": state, "reason": None, "retry_at": None, "finished_at": None} | values


async def write(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Update Deliveries by id (key `delivery`), rows with the same columns in one statement."""
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    for columns, some in groups.items():
        values: dict[str, Any] = {column: sa.bindparam(f"new_{column}") for column in columns if column != "delivery"}
        statement = sa.update(models.Delivery).where(models.Delivery.id == sa.bindparam("delivery")).values(values)
        bound = [{("delivery" if k == "delivery" else f"new_{k}"): v for k, v in row.items()} for row in some]
        await connection.execute(statement, bound)


async def cover(connection: AsyncConnection, one: Settled) -> None:
    """An accepted digest settles its range; a scheduled one also its local date, an instant one its moment."""
    subscription = audience.Subscription
    values: dict[str, Any] = {"covered_to": database.greatest(subscription.covered_to, one.upto)}
    if one.local_date is not None:
        later = sa.or_(subscription.last_date.is_(None), subscription.last_date < one.local_date)
        values["last_date"] = sa.case((later, one.local_date), else_=subscription.last_date)
    if one.is_instant:
        values["last_instant_at"] = one.handed_over_at
    await connection.execute(sa.update(subscription).where(subscription.id == one.subscription_id).values(values))


async def stops(
    connection: AsyncConnection, stopped: Sequence[tuple[Any, handover.Stop | handover.Wait]], now: datetime
) -> None:
    """Record Deliveries that were not handed over. `empty` settles the range up to the Edition's `upto`."""
    rows: list[dict[str, Any]] = []
    for row, verdict in stopped:
        if isinstance(verdict, handover.Wait):
            values = _columns(models.DeliveryState.DEFERRED, reason=verdict.reason, retry_at=verdict.until)
            rows.append({"delivery": row.id, **values, "batch_id": None})
            continue
        rows.append({"delivery": row.id, **_columns(verdict.state, reason=verdict.reason, finished_at=now)})
    await write(connection, rows)


async def settle_empty(connection: AsyncConnection, subscription_ids: Sequence[int], upto: int) -> None:
    """Nothing matched for these readers up to here."""
    subscription = audience.Subscription
    statement = sa.update(subscription).where(subscription.id.in_(subscription_ids))
    await connection.execute(statement.values(covered_to=database.greatest(subscription.covered_to, upto)))


async def vanished(connection: AsyncConnection, batch_id: int, now: datetime) -> int:
    """The worker that held this Batch is gone: what it had handed over is in doubt, and how many that is."""
    delivery = models.Delivery
    statement = (
        sa.update(delivery)
        .where(
            delivery.batch_id == batch_id,
            database.among(delivery.state, models.OPEN),
            delivery.state == models.DeliveryState.SENDING,
        )
        .values(
            state=models.DeliveryState.DOUBTFUL,
            doubts=delivery.doubts + 1,
            retry_at=now,
            batch_id=None,
            reason="the sending process ended before the reply was recorded",
        )
    )
    return (await connection.execute(statement)).rowcount


async def assume_sent(connection: AsyncConnection, row: Any, now: datetime) -> None:
    """A doubtful digest counts as sent: settle its range."""
    values = _columns(models.DeliveryState.SENT, reason="assumed: no reply was recorded", finished_at=now)
    await write(connection, [{"delivery": row.id, **values}])
    if row.upto is not None:
        one = Settled(
            row.id, row.subscription_id, "", row.upto, slots.local_date(row.slot), False, row.handed_over_at,
            True, row.doubts, outcomes.Sent(), None,
        )  # fmt: skip
        await cover(connection, one)
