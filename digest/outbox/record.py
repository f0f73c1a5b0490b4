"""Writes down what became of Deliveries: one grouped transaction for all connections that wait.

An accepted mail is recorded whoever holds the Batch by now: it must never be forgotten. Any other result only counts
while the row is still at that try. `sent` and `empty` move the reader's `covered_to`; every other end moves nothing,
so those Articles come with the next digest.
"""

import dataclasses
import functools
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import announcements, database, prepared, sql
from digest.audience import models as audience, suppression, trail
from digest.outbox import handover, misses, models, outcomes, untold

OUT_OF_TRIES = "sent several times without an answer"

# A worker cut off from the database for a moment still knows what was accepted: it gets to say so before anybody
# repeats a mail.
GRACE = timedelta(seconds=5)


@dataclasses.dataclass(slots=True)
class Settled:
    """A Delivery and what the relay's reply meant for it.

    `was_handed_over` is false where the server refused before it got any content. `upto` is what a digest settles when
    it is accepted. `is_elsewhere`: it went to an address that is not the reader's.
    """

    delivery_id: int
    tries: int
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
    relay: str | None = None
    was_handed_over: bool = True
    first_tried_at: datetime | None = None
    is_elsewhere: bool = False
    doubt_pause: timedelta = handover.DOUBT_PAUSE

    @property
    def is_notice(self) -> bool:
        return self.upto is None


async def results(
    connection: AsyncConnection, settled: Sequence[Settled], hasher: suppression.Hasher, now: datetime
) -> None:
    """Record what the relay said of each: accepted mails in one statement per table, the few others row by row.

    A worker that lost its lease may come late, when another has the Delivery in hand. That it was accepted is still
    true then; that it was not says nothing about the other's try. In order of id, so that two workers never wait for
    each other in a ring.
    """
    settled = sorted(settled, key=_by_id)
    sent = [one for one in settled if isinstance(one.outcome, outcomes.Sent)]
    if sent:
        await _sent(connection, sent, now)
        await cover(connection, sent)
    if len(sent) < len(settled):
        await _others(connection, [one for one in settled if not isinstance(one.outcome, outcomes.Sent)], hasher, now)


def _by_id(one: Settled) -> int:
    return one.delivery_id


async def _sent(connection: AsyncConnection, sent: Sequence[Settled], now: datetime) -> None:
    by_code: dict[int | None, list[int]] = {}
    for one in sent:
        by_code.setdefault(one.code, []).append(one.delivery_id)
    for code, ids in by_code.items():
        await _SENT.run(connection, {"p_ids": ids, "p_code": code, "p_now": now})


async def _others(
    connection: AsyncConnection, settled: Sequence[Settled], hasher: suppression.Hasher, now: datetime
) -> None:
    rows = []
    for one in settled:
        row = {"delivery": one.delivery_id, "code": one.code, **_values(one, now), **misses.blamed(one.outcome)}
        rows.append(row | _fence(one, now))
        if one.was_doubtful and row["state"] is models.DeliveryState.ROLLED:
            await note_pace(connection, one)
        if isinstance(one.outcome, outcomes.GiveUp) and one.outcome.suppress:
            refused = audience.SuppressionReason.REFUSED
            await suppression.add(connection, hasher, one.address_key, reason=refused, now=now)
            if not one.is_elsewhere:
                await _announce(connection, one, now)
    await write(connection, rows)
    await untold.give_back(connection, [one.delivery_id for one in settled if one.is_notice])
    await misses.note(connection, [one.delivery_id for one in settled if isinstance(one.outcome, outcomes.GiveUp)], now)


async def _announce(connection: AsyncConnection, one: Settled, now: datetime) -> None:
    bounced, facts = announcements.Event.BOUNCED, {"what": "refused", "door": trail.Door.SENDER}
    note = announcements.Note(bounced, now, subscription_id=one.subscription_id, facts=facts)
    await announcements.leave(connection, [note], owners=trail.owners([one.subscription_id]))


def _fence(one: Settled, now: datetime) -> dict[str, Any]:
    """When this result still counts, and what a hand-over would have written already."""
    if one.was_handed_over:
        return {"while_at_try": one.tries}
    tried = {"tries": one.tries, "relay": one.relay, "first_tried_at": one.first_tried_at or now}
    return {"before_try": one.tries, **tried}


def _values(one: Settled, now: datetime) -> dict[str, Any]:
    """The columns to write."""
    state = models.DeliveryState
    outcome = one.outcome
    if isinstance(outcome, outcomes.Sent):
        return columns(state.SENT, finished_at=now)
    if isinstance(outcome, outcomes.Doubt):
        return _doubt(one, outcome.reason, now)
    if isinstance(outcome, outcomes.TryAt):
        return again(one.was_doubtful, outcome.reason, outcome.at, is_notice=one.is_notice)
    rolls = not one.is_notice and (one.was_doubtful or outcome.is_late)
    return columns(state.ROLLED if rolls else state.FAILED, reason=outcome.reason, finished_at=now)


def count(settled: Sequence[Settled]) -> Counter[str]:
    """How many results lead to which state."""
    others = [one for one in settled if one.outcome is not outcomes.SENT]
    found = Counter(state_of(one).value for one in others)
    found[models.DeliveryState.SENT.value] += len(settled) - len(others)
    return found


def state_of(one: Settled) -> models.DeliveryState:
    """The state this result leads to."""
    return models.DeliveryState(_values(one, one.handed_over_at)["state"])


def again(is_doubtful: bool, reason: str, at: datetime, *, is_notice: bool) -> dict[str, Any]:
    """Not now. A doubtful mail keeps its frozen range, for an earlier copy may have been accepted, and a welcome the
    stories that are told by nothing else; else the next try chooses anew.
    """
    waits = {"reason": reason, "retry_at": at, "batch_id": None}
    if is_doubtful:
        return columns(models.DeliveryState.DOUBTFUL, **waits)
    anew = {} if is_notice else {"covered_from": None, "upto": None, "selection_id": None}
    return columns(models.DeliveryState.DEFERRED, **waits, **anew)


def _doubt(one: Settled, reason: str, now: datetime) -> dict[str, Any]:
    """Sent again later, or out of tries: then a digest is held and shown until the next is due or the operator acts.

    A notice is not held: while it waited its reader would get no digest either.
    """
    doubts = one.doubts + 1
    at = handover.resend_at(doubts, now, one.doubt_pause)
    reason = reason if at else f"{OUT_OF_TRIES}: {reason}"
    if at is None and one.is_notice:
        return columns(models.DeliveryState.FAILED, reason=reason, finished_at=now, doubts=doubts)
    return columns(models.DeliveryState.DOUBTFUL, reason=reason, retry_at=at, batch_id=None, doubts=doubts)


def columns(state: models.DeliveryState, **values: Any) -> dict[str, Any]:
    return {"state": state, "reason": None, "retry_at": None, "finished_at": None} | values


async def write(connection: AsyncConnection, rows: Sequence[dict[str, Any]]) -> None:
    """Update Deliveries by id (key `delivery`), rows with the same columns in one statement.

    With the key `while_at_try` a row changes only while it is still being sent, and for that time.
    """
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(tuple(sorted(row)), []).append(row)
    for columns, some in groups.items():
        values: dict[str, Any] = {column: sa.bindparam(f"new_{column}") for column in columns if column not in _TERMS}
        terms = [term for key, term in _TERMS.items() if key in columns]
        bound = [{(key if key in _TERMS else f"new_{key}"): value for key, value in row.items()} for row in some]
        await connection.execute(sa.update(models.Delivery).where(*terms).values(values), bound)


_TERMS = {
    "delivery": models.Delivery.id == sa.bindparam("delivery"),
    "while_at_try": sa.and_(
        models.Delivery.state == models.DeliveryState.SENDING, models.Delivery.tries == sa.bindparam("while_at_try")
    ),
    "before_try": sa.and_(
        sql.among(models.Delivery.state, [models.DeliveryState.QUEUED, models.DeliveryState.DOUBTFUL]),
        models.Delivery.tries == sa.bindparam("before_try") - 1,
    ),
}


async def cover(connection: AsyncConnection, sent: Sequence[Settled]) -> None:
    """An accepted digest settles its range; a scheduled one also its local date, an instant one its moment."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for one in sent:
        if one.upto is not None:
            moment = one.handed_over_at if one.is_instant else None
            alike.setdefault((one.upto, one.local_date, moment), []).append(one.subscription_id)
    for (upto, local_date, moment), ids in alike.items():
        values = {"p_ids": ids, "p_upto": upto}
        values |= {"p_date": local_date} if local_date else {}
        values |= {"p_moment": moment} if moment else {}
        await _covers(local_date is not None, moment is not None).run(connection, values)


@functools.cache
def _covers(is_dated: bool, is_instant: bool) -> prepared.Statement:
    subscription = audience.Subscription
    values: dict[str, Any] = {
        "covered_to": sql.greatest(subscription.covered_to, sa.bindparam("p_upto")),
        **misses.NONE,
    }
    if is_dated:
        day = sa.bindparam("p_date", type_=sa.Date())
        later = sa.or_(subscription.last_date.is_(None), subscription.last_date < day)
        values["last_date"] = sa.case((later, day), else_=subscription.last_date)
    if is_instant:
        values["last_instant_at"] = sa.bindparam("p_moment", type_=database.UtcDateTime())
    statement = sa.update(subscription).where(sql.listed(subscription.id, "p_ids")).values(values)
    return prepared.Statement(statement)


def _accepted() -> Any:
    delivery = models.Delivery
    now = sa.bindparam("p_now", type_=database.UtcDateTime())
    values = {"code": sa.bindparam("p_code", type_=sa.Integer()), "finished_at": now, "retry_at": None, "reason": None}
    is_one = sql.listed(delivery.id, "p_ids")
    return sa.update(delivery).where(is_one).values(state=models.DeliveryState.SENT, **values)


_SENT = prepared.Statement(_accepted())


async def give_back(connection: AsyncConnection, settled: Sequence[tuple[int, int, bool]]) -> None:
    """Undo hand-overs of which no content left: (Delivery, its try, whether it was in doubt before).

    Only while the row is still at that try; whoever took it over meanwhile has called it doubtful, to be on the safe
    side.
    """
    state = models.DeliveryState
    rows = [
        {
            "delivery": delivery_id,
            "while_at_try": tries,
            "tries": tries - 1,
            "state": state.DOUBTFUL if was_doubtful else state.QUEUED,
        }
        for delivery_id, tries, was_doubtful in settled
    ]
    await write(connection, rows)


async def note_pace(connection: AsyncConnection, one: Settled) -> None:
    """A mail that ends in doubt settles no range, but it may have come: no other one so soon after it."""
    subscription = audience.Subscription
    if values := _pace(one):
        await connection.execute(sa.update(subscription).where(subscription.id == one.subscription_id).values(values))


def _pace(one: Settled) -> dict[str, Any]:
    subscription = audience.Subscription
    values: dict[str, Any] = {}
    if one.local_date is not None:
        later = sa.or_(subscription.last_date.is_(None), subscription.last_date < one.local_date)
        values["last_date"] = sa.case((later, one.local_date), else_=subscription.last_date)
    if one.is_instant:
        values["last_instant_at"] = one.handed_over_at
    return values
