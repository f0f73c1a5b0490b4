"""What the rules ask of Deliveries, their readers and their Edition: read to decide, and read again to confirm.

Deciding takes time (a mail may have to be composed, a server asked), so it is done on facts read without a lock. At
the hand-over the same facts are read again under the readers' locks; only what is still as it was may leave. Reads
rows, leaves none. The statements are built once, for their text never changes.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import prepared, sql
from digest.audience import models as audience, suppression
from digest.outbox import handover, models

_DELIVERY = (
    *("id", "kind", "publication_id", "edition_id", "subscription_id", "address_change_id"),
    *("state", "tries", "doubts"),
    *("covered_from", "upto", "selection_id", "relay"),
    *("first_tried_at", "handed_over_at", "created_at"),
)
_READER = (
    *("state", "generation", "cadence_id", "topic_set_id", "covered_to"),
    *("last_date", "last_instant_at", "paused_until", "locale", "layout"),
)
# Notices to an address that is not the reader's (yet).
ELSEWHERE = ("address", "taken")
HANDED_OVER = (models.DeliveryState.QUEUED, models.DeliveryState.DOUBTFUL)


class Look(NamedTuple):
    """A Delivery, its reader (`reader_…` as in the Subscription) and their address, as read at one moment.

    `is_busy`: another mail to the same reader is in flight.
    """

    id: int
    kind: str
    publication_id: int
    edition_id: int | None
    subscription_id: int
    address_change_id: int | None
    state: models.DeliveryState
    tries: int
    doubts: int
    covered_from: int | None
    upto: int | None
    selection_id: int | None
    relay: str | None
    first_tried_at: datetime | None
    handed_over_at: datetime | None
    created_at: datetime
    reader_state: audience.SubscriptionState
    reader_generation: int
    reader_cadence_id: int
    reader_topic_set_id: int | None
    reader_covered_to: int
    reader_last_date: date | None
    reader_last_instant_at: datetime | None
    reader_paused_until: datetime | None
    reader_locale: str | None
    reader_layout: str | None
    email: str
    address_key: str
    name: str
    is_busy: bool


# The columns as the driver gave them, and why the address is suppressed: equal as long as nothing has changed.
Mark = tuple[prepared.Row, audience.SuppressionReason | None]


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """One Delivery with its reader; equal facts lead to equal verdicts."""

    row: Look
    mark: Mark


async def waiting(connection: AsyncConnection, batch_id: int) -> list[int]:
    """The Deliveries of this Batch that may still be handed over, by id."""
    return list((await connection.execute(_WAITING, {"batch": batch_id})).scalars())


def _waiting() -> Any:
    delivery = models.Delivery
    is_open = sa.and_(sql.among(delivery.state, models.OPEN), sql.among(delivery.state, HANDED_OVER))
    return sa.select(delivery.id).where(delivery.batch_id == sa.bindparam("batch"), is_open).order_by(delivery.id)


async def lock(connection: AsyncConnection, subscription_ids: Sequence[int]) -> set[int] | None:
    """Lock these readers until the commit: an unsubscribe waits for us or we for it, never in between.

    Those somebody else holds are passed over. None on SQLite, where a write transaction has everything to itself. Apart
    from the look, whose snapshot must be younger than the locks.
    """
    if connection.dialect.name == "sqlite":
        return None
    return {id_ for (id_,) in await _LOCK.run(connection, {"ids": list(subscription_ids)})}


def _lock() -> Any:
    subscription = audience.Subscription
    chosen = sa.select(subscription.id).where(sql.listed(subscription.id, "ids"))
    return chosen.order_by(subscription.id).with_for_update(skip_locked=True)


async def look(connection: AsyncConnection, hasher: suppression.Hasher, ids: Iterable[int]) -> list[Facts]:
    """Facts of these Deliveries. One whose reader was erased has none."""
    return [Facts(_seen(mark[0]), mark) for mark in (await marks(connection, hasher, ids)).values()]


async def marks(connection: AsyncConnection, hasher: suppression.Hasher, ids: Iterable[int]) -> dict[int, Mark]:
    """The marks of these Deliveries as they are now, by id: to see at little cost what has changed."""
    rows = await _LOOK.run(connection, {"ids": list(ids)})
    suppressed = await suppression.covered(connection, hasher, [row[_KEY] for row in rows])
    return {row[0]: (row, suppressed.get(row[_KEY])) for row in rows}


_DELIVERY_STATES = {state.value: state for state in models.DeliveryState}
_READER_STATES = {state.value: state for state in audience.SubscriptionState}
_INSTANTS = ("first_tried_at", "handed_over_at", "created_at", "reader_last_instant_at", "reader_paused_until")
_KEY, _STATE, _READER_STATE, _LAST_DATE, _IS_BUSY, *_AT = (
    Look._fields.index(name)
    for name in ("address_key", "state", "reader_state", "reader_last_date", "is_busy", *_INSTANTS)
)


def _seen(raw: prepared.Row) -> Look:
    """The driver's own values as ours; SQLAlchemy takes three times as long, for it asks each column's type."""
    values = list(raw)
    values[_STATE] = _DELIVERY_STATES[raw[_STATE]]
    values[_READER_STATE] = _READER_STATES[raw[_READER_STATE]]
    values[_IS_BUSY] = bool(raw[_IS_BUSY])
    if isinstance(raw[_LAST_DATE], str):
        values[_LAST_DATE] = _day(raw[_LAST_DATE])
    for place in _AT:
        if raw[place] is not None:
            values[place] = _instant(raw[place])
    return Look._make(values)


# Readers of one Edition mostly have the same: SQLite's texts are read once.
@functools.lru_cache(maxsize=1024)
def _day(text: str) -> date:
    return date.fromisoformat(text)


@functools.lru_cache(maxsize=4096)
def _instant(value: str | datetime) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else value.astimezone(UTC)


def _look() -> Any:
    delivery, subscription, subscriber = models.Delivery, audience.Subscription, audience.Subscriber
    change = audience.AddressChange
    return _those(
        sa.select(
            *(getattr(delivery, name) for name in _DELIVERY),
            *(getattr(subscription, name).label(f"reader_{name}") for name in _READER),
            _address(change.email, subscriber.email).label("email"),
            _address(change.key, subscriber.key).label("address_key"),
            _address(sa.literal_column("''"), subscriber.name).label("name"),
            _busy().label("is_busy"),
        )
    )


def _those(chosen: Any) -> Any:
    delivery, subscription, subscriber = models.Delivery, audience.Subscription, audience.Subscriber
    change = audience.AddressChange
    return (
        chosen.join(subscription, subscription.id == delivery.subscription_id)
        .join(subscriber, subscriber.id == subscription.subscriber_id)
        .outerjoin(change, change.id == delivery.address_change_id)
        # What asks about a change that is gone has no facts any more; else it would go to the address there is.
        .where(sa.or_(delivery.address_change_id.is_(None), change.id.is_not(None)))
        .where(sql.listed(delivery.id, "ids"), sql.among(delivery.state, HANDED_OVER))
        .order_by(delivery.id)
    )


def _address(of_change: Any, of_reader: Any) -> sa.ColumnElement[str]:
    """Where a mail goes: a question for the new address there, and under nobody's name, all else to the reader."""
    return sa.case((sql.among(models.Delivery.kind, ELSEWHERE), of_change), else_=of_reader)


def _busy() -> sa.ColumnElement[bool]:
    """Whether another mail to the same reader is in flight."""
    delivery, other = models.Delivery, orm.aliased(models.Delivery)
    return sa.exists().where(
        other.subscription_id == audience.Subscription.id,
        sql.among(other.state, models.IN_FLIGHT),
        other.id != delivery.id,
    )


_WAITING, _LOCK, _LOOK = _waiting(), prepared.Statement(_lock()), prepared.Statement(_look())


def mail(row: Any) -> handover.Mail:
    return handover.Mail(row.kind, is_doubtful(row), row.doubts, row.created_at)


def reader(facts: Facts) -> handover.Reader:
    row = facts.row
    return handover.Reader(
        state=row.reader_state,
        cadence_id=row.reader_cadence_id,
        last_date=row.reader_last_date,
        last_instant_at=row.reader_last_instant_at,
        paused_until=row.reader_paused_until,
        is_suppressed=_is_suppressed(facts),
        has_mail_in_flight=row.is_busy,
    )


def is_doubtful(row: Any) -> bool:
    return bool(row.state is models.DeliveryState.DOUBTFUL)


def _is_suppressed(facts: Facts) -> bool:
    """Who was erased may come back by their own wish, so one request to confirm may go out."""
    reason = facts.mark[1]
    return not suppression.may_ask(reason) if facts.row.kind in ("confirm", "address") else reason is not None


def attempt_until(row: Any, occasion: handover.Occasion | None) -> datetime:
    """When the time of this mail is over.

    The next digest brings the same Articles, so there is no point in trying beyond it; but a doubtful mail is the
    better one to repeat, for it can be known as the same.
    """
    if occasion is None:
        created_at: datetime = row.created_at
        return created_at + handover.STALE_AFTER
    latest = occasion.planned_at + handover.STALE_AFTER
    next_due_at = None if is_doubtful(row) else occasion.next_due_at
    return min(latest, next_due_at) if next_due_at else latest
