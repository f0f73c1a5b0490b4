"""What the rules ask of Deliveries, their readers and their Edition: read to decide, and read again to confirm.

Deciding takes time (a mail may have to be composed, a server asked), so it is done on facts read without a lock. At
the hand-over the same facts are read again under the readers' locks; only what is still as it was may leave. Reads
rows, leaves none. The statements are built once, for their text never changes.
"""

import dataclasses
import functools
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import prepared, publications, sql
from digest.audience import models as audience, suppression
from digest.editions import models as editions, slots
from digest.outbox import fill, handover, models

_DELIVERY = (
    *("id", "kind", "publication_id", "edition_id", "subscription_id", "state", "tries", "doubts"),
    *("covered_from", "upto", "selection_id", "relay"),
    *("first_tried_at", "handed_over_at", "created_at"),
)
_READER = (
    *("state", "generation", "cadence_id", "topic_set_id", "covered_to"),
    *("last_date", "last_instant_at", "paused_until", "locale"),
)
HANDED_OVER = (models.DeliveryState.QUEUED, models.DeliveryState.DOUBTFUL)


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """One Delivery with its reader; equal facts lead to equal verdicts."""

    row: Any
    suppressed: audience.SuppressionReason | None

    @property
    def mark(self) -> tuple[str, audience.SuppressionReason | None]:
        """Equal as long as nothing has changed."""
        return self.row.print, self.suppressed


@dataclasses.dataclass(frozen=True)
class Scene:
    """What all Deliveries of a Batch share, as of one transaction. A Batch of notices has no Edition."""

    is_ours: bool
    edition: Any = None
    is_paused: bool = False

    @property
    def occasion(self) -> handover.Occasion | None:
        edition = self.edition
        if edition is None:
            return None
        return handover.Occasion(
            cadence_id=edition.cadence_id,
            local_date=slots.local_date(edition.slot),
            is_instant=edition.frequency == "instant" and not slots.is_send_now(edition.slot),
            planned_at=edition.planned_at,
            is_cancelled=edition.state is editions.EditionState.CANCELLED,
            is_overtaken=edition.is_overtaken,
            next_due_at=edition.next_due_at,
        )


async def scene(connection: AsyncConnection, batch: Any, owner: str) -> Scene:
    """The Batch's Edition with its Cadence as they are now, and whether the lease is still ours."""
    values = {"batch": batch.id, "owner": owner, "edition": batch.edition_id}
    if batch.edition_id is None:
        return Scene(bool((await connection.execute(_LEASE, values)).scalar_one()))
    edition = (await connection.execute(_EDITION, values)).one()
    return Scene(edition.is_ours, edition, edition.paused_at is not None)


async def again(connection: AsyncConnection, batch: Any, owner: str, before: Scene) -> Scene:
    """The same at a fraction of the cost: `before` is taken for what still holds if all that can change has not."""
    if before.edition is None:
        return await scene(connection, batch, owner)
    values = {"batch": batch.id, "owner": owner, "edition": batch.edition_id}
    found = (await connection.execute(_EDITION_PRINT, values)).scalar_one()
    return before if found == before.edition.print else await scene(connection, batch, owner)


def _edition() -> Any:
    edition, cadence, publication = editions.Edition, audience.Cadence, publications.Publication
    return (
        sa.select(
            edition,
            cadence.frequency,
            cadence.weekday,
            cadence.send_at,
            cadence.timezone,
            cadence.next_due_at,
            publication.revision,
            fill.newer_edition(edition.cadence_id, edition.id).label("is_overtaken"),
            _lease().label("is_ours"),
            _edition_print().label("print"),
        )
        .join(cadence, cadence.id == edition.cadence_id)
        .join(publication, publication.id == edition.publication_id)
        .where(edition.id == sa.bindparam("edition"))
    )


def _edition_print() -> sa.ColumnElement[str]:
    edition, cadence = editions.Edition, audience.Cadence
    overtaken = sa.case((fill.newer_edition(edition.cadence_id, edition.id), "overtaken"), else_="newest")
    ours = sa.case((_lease(), "ours"), else_="lost")
    columns = [edition.state, edition.paused_at, cadence.next_due_at, publications.Publication.revision]
    return _one_text([*columns, overtaken, ours])


def _one_text(columns: Iterable[Any]) -> sa.ColumnElement[str]:
    """Between two values stands a character that no address, name or number holds."""
    texts = [sa.func.coalesce(sa.cast(column, sa.Text), "~") for column in columns]
    return functools.reduce(lambda before, text: before.concat("\x1f").concat(text), texts)


def _lease() -> sa.ColumnElement[bool]:
    """A worker that could not renew its lease in time hands nothing over."""
    batch = models.Batch
    return (
        sa.exists()
        .where(batch.id == sa.bindparam("batch"), batch.owner == sa.bindparam("owner"))
        .where(batch.state == models.BatchState.RUNNING, batch.lease_until > sql.clock_now())
    )


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


async def prints(
    connection: AsyncConnection, hasher: suppression.Hasher, known: Sequence[Facts]
) -> dict[int, tuple[str, audience.SuppressionReason | None]]:
    """The `Facts.mark` of these Deliveries as it is now, by id: to see at little cost what has changed."""
    rows = await _PRINTS.run(connection, {"ids": [one.row.id for one in known]})
    suppressed = await suppression.covered(connection, hasher, [one.row.address_key for one in known])
    keys = {one.row.id: one.row.address_key for one in known}
    return {id_: (mark, suppressed.get(keys[id_])) for id_, mark in rows}


async def look(connection: AsyncConnection, hasher: suppression.Hasher, ids: Iterable[int]) -> dict[int, Facts]:
    """Facts by Delivery id. A Delivery whose reader was erased has none."""
    rows = (await connection.execute(_LOOK, {"ids": list(ids)})).all()
    suppressed = await suppression.covered(connection, hasher, [row.address_key for row in rows])
    return {row.id: Facts(row, suppressed.get(row.address_key)) for row in rows}


def _look() -> Any:
    delivery, subscription, subscriber = models.Delivery, audience.Subscription, audience.Subscriber
    return _those(
        sa.select(
            *(getattr(delivery, name) for name in _DELIVERY),
            *(getattr(subscription, name).label(f"reader_{name}") for name in _READER),
            subscriber.email,
            subscriber.key.label("address_key"),
            subscriber.name,
            _busy().label("is_busy"),
            _print().label("print"),
        )
    )


def _those(chosen: Any) -> Any:
    delivery, subscription, subscriber = models.Delivery, audience.Subscription, audience.Subscriber
    return (
        chosen.join(subscription, subscription.id == delivery.subscription_id)
        .join(subscriber, subscriber.id == subscription.subscriber_id)
        .where(sql.listed(delivery.id, "ids"), sql.among(delivery.state, HANDED_OVER))
        .order_by(delivery.id)
    )


def _busy() -> sa.ColumnElement[bool]:
    """Whether another mail to the same reader is in flight."""
    delivery, other = models.Delivery, orm.aliased(models.Delivery)
    return sa.exists().where(
        other.subscription_id == audience.Subscription.id,
        sql.among(other.state, models.IN_FLIGHT),
        other.id != delivery.id,
    )


def _print() -> sa.ColumnElement[str]:
    """All that the rules look at as one text: a mail is confirmed by comparing it, and not two dozen columns."""
    delivery, subscription, subscriber = models.Delivery, audience.Subscription, audience.Subscriber
    columns = [
        *(getattr(delivery, name) for name in _DELIVERY),
        *(getattr(subscription, name) for name in _READER),
        *(subscriber.email, subscriber.key, subscriber.name),
        sa.case((_busy(), "busy"), else_="free"),
    ]
    return _one_text(columns)


_EDITION, _LEASE, _WAITING, _LOCK, _LOOK = (
    _edition(),
    sa.select(_lease()),
    _waiting(),
    prepared.Statement(_lock()),
    _look(),
)
_EDITION_PRINT = (
    sa.select(_edition_print())
    .join(audience.Cadence, audience.Cadence.id == editions.Edition.cadence_id)
    .join(publications.Publication, publications.Publication.id == editions.Edition.publication_id)
    .where(editions.Edition.id == sa.bindparam("edition"))
)
_PRINTS = prepared.Statement(_those(sa.select(models.Delivery.id, _print())))


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
    reason = facts.suppressed
    return not suppression.may_ask(reason) if facts.row.kind == "confirm" else reason is not None


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
