"""The hand-over: in one transaction, ask again who may get what, freeze it in the row, and make it `sending`.

Reads queued Deliveries of one Batch with their readers as they are now; leaves `sending` rows with range and
Selection, or the state a Delivery takes instead. What a crash does: before the commit nothing has happened, after it
the row says that content may be on the wire.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.audience import models as audience, suppression
from digest.editions import cadence as cadences, choose, contents, models as editions, plan, slots
from digest.outbox import fill, handover, misses, models, record, writer

# More than can be handed over is looked at, because many may turn out withheld or empty.
LOOK_AHEAD = 4


@dataclasses.dataclass(frozen=True)
class Handed:
    """A Delivery that is `sending` now: its row, and the mail prepared for it."""

    row: Any
    ready: writer.Ready
    occasion: handover.Occasion | None
    upto: int | None


@dataclasses.dataclass
class Round:
    """What one hand-over came to. `wanted` are mails to prepare before their Deliveries can go."""

    handed: list[Handed]
    wanted: dict[writer.Key, writer.Order]
    stopped: Counter[str]
    looked_at: int = 0


@dataclasses.dataclass(frozen=True)
class Desk:
    """What deciding needs: shared memory of Articles and Topics, the suppression list, and the writer."""

    shelves: contents.Shelves
    topics: contents.Topics
    hasher: suppression.Hasher
    writer: writer.Writer


async def hand_over(connection: AsyncConnection, desk: Desk, batch: Any, free: int, now: datetime) -> Round:
    """Make at most `free` Deliveries of this Batch `sending`. The caller holds the Batch's lease and commits."""
    edition = await _edition(connection, batch.edition_id)
    rows = await _candidates(connection, batch.id, free * LOOK_AHEAD)
    occasion = _occasion(edition) if edition is not None else None
    readers = await _readers(connection, desk, rows)
    done = Round([], {}, Counter(), looked_at=len(rows))
    stopped: list[tuple[Any, handover.Stop | handover.Wait]] = []
    in_hand: set[int] = set()
    for row in rows:
        if len(done.handed) >= free or len(done.wanted) >= free:
            break
        if row.subscription_id in in_hand:
            continue  # a second notice to the same reader: it waits for the first
        objection = handover.objection(_mail(row), readers[row.id], occasion, now)
        order = None if objection else await _order(connection, desk, edition, row, now)
        if objection or isinstance(order, handover.Stop):
            stopped.append((row, objection or order))  # type: ignore[arg-type]
            continue
        assert order is not None
        key = order.key
        ready = desk.writer.find(key)
        if ready is None:
            done.wanted[key] = order
        else:
            in_hand.add(row.subscription_id)
            done.handed.append(Handed(row, ready, occasion, edition.upto if edition is not None else None))
    await _stop(connection, stopped, edition, now)
    await _freeze(connection, done.handed, now)
    done.stopped.update(_state(verdict) for _, verdict in stopped)
    return done


def _state(verdict: handover.Stop | handover.Wait) -> str:
    return (verdict.state if isinstance(verdict, handover.Stop) else models.DeliveryState.DEFERRED).value


async def _edition(connection: AsyncConnection, edition_id: int | None) -> Any:
    """The Edition with its Cadence as they are now, and whether a newer one has taken its place."""
    if edition_id is None:
        return None
    edition, cadence = editions.Edition, audience.Cadence
    statement = (
        sa.select(
            edition,
            cadence.frequency,
            cadence.weekday,
            cadence.send_at,
            cadence.timezone,
            cadence.next_due_at,
            fill.newer_edition(edition.cadence_id, edition.id).label("is_overtaken"),
        )
        .join(cadence, cadence.id == edition.cadence_id)
        .where(edition.id == edition_id)
    )
    return (await connection.execute(statement)).one()


async def _candidates(connection: AsyncConnection, batch_id: int, limit: int) -> Sequence[Any]:
    """The next Deliveries with their readers, the Subscriptions locked.

    The lock makes an unsubscribe wait for our commit or us for its: never in between. A row that somebody else holds
    is skipped and comes with the next round.
    """
    delivery, subscription, subscriber = models.Delivery, audience.Subscription, audience.Subscriber
    statement = (
        sa.select(
            *(getattr(delivery, name) for name in _DELIVERY),
            *(getattr(subscription, name).label(f"reader_{name}") for name in _READER),
            subscriber.email,
            subscriber.key.label("address_key"),
            subscriber.name,
        )
        .join(subscription, subscription.id == delivery.subscription_id)
        .join(subscriber, subscriber.id == subscription.subscriber_id)
        .where(
            delivery.batch_id == batch_id, database.among(delivery.state, models.OPEN), delivery.state.in_(HANDED_OVER)
        )
        .order_by(delivery.id)
        .limit(limit)
        .with_for_update(of=subscription, skip_locked=True)
    )
    return (await connection.execute(statement)).all()


_DELIVERY = (
    *("id", "kind", "publication_id", "edition_id", "subscription_id", "state", "tries", "doubts"),
    *("covered_from", "upto", "selection_id", "first_tried_at", "handed_over_at", "created_at"),
)
_READER = (
    *("state", "generation", "cadence_id", "topic_set_id", "covered_to"),
    *("last_date", "last_instant_at", "paused_until", "locale"),
)
HANDED_OVER = (models.DeliveryState.QUEUED, models.DeliveryState.DOUBTFUL)


async def _readers(connection: AsyncConnection, desk: Desk, rows: Sequence[Any]) -> dict[int, handover.Reader]:
    suppressed = await suppression.covered(connection, desk.hasher, [row.address_key for row in rows])
    busy = await _in_flight(connection, rows)
    return {
        row.id: handover.Reader(
            state=row.reader_state,
            cadence_id=row.reader_cadence_id,
            last_date=row.reader_last_date,
            last_instant_at=row.reader_last_instant_at,
            paused_until=row.reader_paused_until,
            is_suppressed=_is_suppressed(row, suppressed.get(row.address_key)),
            has_mail_in_flight=row.subscription_id in busy and row.state is not models.DeliveryState.DOUBTFUL,
        )
        for row in rows
    }


def _is_suppressed(row: Any, reason: audience.SuppressionReason | None) -> bool:
    """Who was erased may come back by their own wish, so one request to confirm may go out."""
    return not suppression.may_ask(reason) if row.kind == "confirm" else reason is not None


async def _in_flight(connection: AsyncConnection, rows: Sequence[Any]) -> set[int]:
    delivery = models.Delivery
    ids = [row.subscription_id for row in rows]
    is_in_flight = database.among(delivery.state, models.IN_FLIGHT)
    statement = sa.select(delivery.subscription_id).where(delivery.subscription_id.in_(ids), is_in_flight)
    return set((await connection.execute(statement)).scalars())


def _mail(row: Any) -> handover.Mail:
    return handover.Mail(row.kind, row.state is models.DeliveryState.DOUBTFUL, row.doubts, row.created_at)


def _occasion(edition: Any) -> handover.Occasion:
    return handover.Occasion(
        cadence_id=edition.cadence_id,
        local_date=slots.local_date(edition.slot),
        is_instant=edition.frequency == "instant" and not slots.is_send_now(edition.slot),
        planned_at=edition.planned_at,
        is_cancelled=edition.state is editions.EditionState.CANCELLED,
        is_overtaken=edition.is_overtaken,
        next_due_at=edition.next_due_at,
    )


async def _order(
    connection: AsyncConnection, desk: Desk, edition: Any, row: Any, now: datetime
) -> writer.Order | handover.Stop:
    """What this reader is to get: chosen afresh, or what was frozen when a doubtful mail was first sent."""
    shelf = await desk.shelves.get(connection, row.publication_id, above=row.reader_covered_to)
    if edition is None:
        return await _notice(connection, shelf, row, now)
    if row.state is models.DeliveryState.DOUBTFUL:
        return writer.Order.frozen(shelf, edition, row.selection_id, row.reader_locale)
    topics = await desk.topics.get(connection, row.reader_topic_set_id)
    reach = choose.Reach(topics, row.reader_covered_to, edition.upto)
    key = writer.Order.key_of(shelf, edition, reach, row.reader_locale)
    verdict = desk.writer.remembered(key) or shelf.choose(reach, now, is_instant=edition.frequency == "instant")
    if stop := handover.conclude(verdict):
        return stop
    assert isinstance(verdict, choose.Chosen)
    return writer.Order(key, shelf, edition, verdict, None, row.reader_locale)


async def _notice(connection: AsyncConnection, shelf: contents.Shelf, row: Any, now: datetime) -> writer.Order:
    statement = sa.select(audience.Cadence).where(audience.Cadence.id == row.reader_cadence_id)
    cadence = (await connection.execute(statement)).one()
    # One that was chosen a moment ago has not been scheduled yet.
    first_at = cadence.next_due_at or cadences.next_due(plan.rule_of(cadence, shelf.spec), now)
    return writer.Order.notice(shelf, row.kind, writer.notice_facts(cadence, first_at), row.reader_locale)


async def _stop(
    connection: AsyncConnection,
    stopped: Iterable[tuple[Any, handover.Stop | handover.Wait]],
    edition: Any,
    now: datetime,
) -> None:
    stopped = list(stopped)
    await record.stops(connection, stopped, now)
    if edition is not None and edition.state is not editions.EditionState.CANCELLED:
        await misses.note(connection, [row.id for row, _ in stopped if row.tries], now)
    for row, _ in stopped:
        if row.state is models.DeliveryState.DOUBTFUL and edition is not None:
            await record.note_pace(connection, record.in_doubt(row, slot=edition.slot, frequency=edition.frequency))
    empty = [
        row.subscription_id
        for row, verdict in stopped
        if isinstance(verdict, handover.Stop) and verdict.state is models.DeliveryState.EMPTY
    ]
    if empty:
        await record.settle_empty(connection, empty, edition.upto)


async def _freeze(connection: AsyncConnection, handed: Sequence[Handed], now: datetime) -> None:
    """Write range and Selection into the rows. A doubtful one keeps those it has."""
    rows = [
        {
            "delivery": one.row.id,
            "state": models.DeliveryState.SENDING,
            "covered_from": one.row.covered_from if _is_doubtful(one) else _starts_at(one),
            "upto": one.row.upto if _is_doubtful(one) else one.upto,
            "selection_id": one.ready.selection_id,
            "tries": one.row.tries + 1,
            "first_tried_at": one.row.first_tried_at or now,
            "handed_over_at": now,
        }
        for one in handed
    ]
    await record.write(connection, rows)


def _is_doubtful(one: Handed) -> bool:
    return one.row.state is models.DeliveryState.DOUBTFUL


def _starts_at(one: Handed) -> int | None:
    return one.row.reader_covered_to if one.upto is not None else None
