"""The pass that turns Editions into Deliveries in Batches.

Reads planned Editions and Subscriptions; leaves queued Deliveries, Batches, and `covered_to` of readers for whom
nothing matches. Works in slices of Subscriptions by id, one transaction each with a cursor on the Edition, so a crash
resumes where it stopped and the first Batch can leave while the rest is being filled. Only writes candidates: who
really gets what is decided at hand-over.
"""

import dataclasses
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.audience import models as audience
from digest.editions import choose, contents, models as editions, slots
from digest.outbox import models

# SQLite's one write lock is held for a slice: about 100 ms for this many.
SLICE = 20_000
# Groups named in one statement; more would outgrow what a parser of SQL likes to read.
GROUPS_AT_ONCE = 200

Group = tuple[int | None, int]  # topic_set_id, covered_to


@dataclasses.dataclass(frozen=True)
class Filler:
    """What fill needs besides the database: sizes, and the shared memory of what there is to tell."""

    shelves: contents.Shelves
    topics: contents.Topics
    batch_size: int = 500
    slice_size: int = SLICE


@dataclasses.dataclass
class Filled:
    """Whether there is more to do at once, and how many readers were settled because nothing matched."""

    more: bool = False
    settled: int = 0


async def run(db: database.Database, filler: Filler, now: datetime) -> Filled:
    """Fill one slice of each planned Edition."""
    is_planned = editions.Edition.state == editions.EditionState.PLANNED
    async with db.reading() as connection:
        statement = sa.select(editions.Edition.id).where(is_planned).order_by(editions.Edition.due_at)
        ids = (await connection.execute(statement)).scalars().all()
    filled = Filled()
    for id_ in ids:
        async with db.transaction() as connection:
            await _fill_slice(connection, filler, id_, filled, now)
    return filled


async def _fill_slice(
    connection: AsyncConnection, filler: Filler, edition_id: int, filled: Filled, now: datetime
) -> None:
    edition = await _claim(connection, edition_id)
    if edition is None:
        return
    if await is_overtaken(connection, edition):
        reason = "a newer Edition was planned before this one was filled"
        await _mark(connection, edition_id, {"state": editions.EditionState.FILLED, "reason": reason})
        return
    last, count = await _next_slice(connection, edition, filler.slice_size)
    if count:
        filled.settled += await _deliver(connection, filler, edition, last, now)
    values: dict[str, Any] = {"fill_cursor": last}
    if count < filler.slice_size:
        values["state"] = editions.EditionState.FILLED
    else:
        filled.more = True
    await _mark(connection, edition_id, values)


async def _mark(connection: AsyncConnection, edition_id: int, values: dict[str, Any]) -> None:
    await connection.execute(sa.update(editions.Edition).where(editions.Edition.id == edition_id).values(values))


async def _claim(connection: AsyncConnection, edition_id: int) -> Any:
    """The Edition under its row lock, or None when another node has finished it meanwhile."""
    cadence = audience.Cadence
    statement = (
        sa.select(editions.Edition, cadence.frequency)
        .join(cadence, cadence.id == editions.Edition.cadence_id)
        .where(editions.Edition.id == edition_id, editions.Edition.state == editions.EditionState.PLANNED)
        .with_for_update(of=editions.Edition)
    )
    return (await connection.execute(statement)).one_or_none()


async def is_overtaken(connection: AsyncConnection, edition: Any) -> bool:
    """Whether a newer Edition of the same Cadence will bring these Articles; one that is held may never."""
    statement = sa.select(newer_edition(edition.cadence_id, edition.id))
    return bool((await connection.execute(statement)).scalar())


def newer_edition(cadence_id: Any, edition_id: Any) -> sa.ColumnElement[bool]:
    other = orm.aliased(editions.Edition)
    lives = [editions.EditionState.PLANNED, editions.EditionState.FILLED, editions.EditionState.FINISHED]
    return sa.exists().where(other.cadence_id == cadence_id, other.id > edition_id, other.state.in_(lives))


async def _next_slice(connection: AsyncConnection, edition: Any, size: int) -> tuple[int, int]:
    """The last Subscription id of the next slice, and how many the slice holds."""
    subscription = audience.Subscription
    slice_ = (
        sa.select(subscription.id)
        .where(subscription.cadence_id == edition.cadence_id, subscription.id > edition.fill_cursor)
        .order_by(subscription.id)
        .limit(size)
        .subquery()
    )
    last, count = (await connection.execute(sa.select(sa.func.max(slice_.c.id), sa.func.count()))).one()
    return last or edition.fill_cursor, count


async def _deliver(connection: AsyncConnection, filler: Filler, edition: Any, last: int, now: datetime) -> int:
    """Sort the slice's readers by what they would get: queue those with something, settle and count the others."""
    chosen: list[tuple[Group, int]] = []
    nothing: list[Group] = []
    for group, count in await _groups(connection, edition, last, now):
        verdict = await _choose(connection, filler, edition, group, now)
        if isinstance(verdict, choose.Nothing):
            nothing.append(group)
        elif isinstance(verdict, choose.Chosen):
            chosen.append((group, count))
    settled = 0
    for start in range(0, len(nothing), GROUPS_AT_ONCE):
        readers = _readers(edition, last, now, nothing[start : start + GROUPS_AT_ONCE])
        settled += await _settle(connection, edition, readers)
    for start in range(0, len(chosen), GROUPS_AT_ONCE):
        some = chosen[start : start + GROUPS_AT_ONCE]
        readers = _readers(edition, last, now, [group for group, _ in some])
        await _queue(connection, filler, edition, readers, count=sum(count for _, count in some), now=now)
    return settled


async def _groups(connection: AsyncConnection, edition: Any, last: int, now: datetime) -> Sequence[tuple[Group, int]]:
    subscription = audience.Subscription
    columns = (subscription.topic_set_id, subscription.covered_to)
    statement = sa.select(*columns, sa.func.count()).where(_readers(edition, last, now)).group_by(*columns)
    # Lowest first, so that the first Shelf loaded reaches down far enough for all of them.
    statement = statement.order_by(subscription.covered_to)
    rows = (await connection.execute(statement)).all()
    return [((topic_set_id, covered_to), count) for topic_set_id, covered_to, count in rows]


async def _choose(
    connection: AsyncConnection, filler: Filler, edition: Any, group: Group, now: datetime
) -> choose.Verdict:
    topic_set_id, covered_to = group
    shelf = await filler.shelves.get(connection, edition.publication_id, above=covered_to)
    reach = choose.Reach(await filler.topics.get(connection, topic_set_id), covered_to, edition.upto)
    return shelf.choose(reach, now, is_instant=edition.frequency == "instant")


def _readers(edition: Any, last: int, now: datetime, groups: Sequence[Group] | None = None) -> sa.ColumnElement[bool]:
    """Subscriptions of the slice that this Edition is for, of these groups only if any are named."""
    subscription = audience.Subscription
    day = slots.local_date(edition.slot)
    terms = [
        subscription.cadence_id == edition.cadence_id,
        subscription.id > edition.fill_cursor,
        subscription.id <= last,
        subscription.state == audience.SubscriptionState.ACTIVE,
        sa.or_(subscription.paused_until.is_(None), subscription.paused_until <= now),
    ]
    if day is not None:
        terms.append(sa.or_(subscription.last_date.is_(None), subscription.last_date < day))
    if groups is not None:
        terms.append(_in_groups(groups))
    return sa.and_(*terms)


def _in_groups(groups: Sequence[Group]) -> sa.ColumnElement[bool]:
    subscription = audience.Subscription
    by_start: dict[int, list[int | None]] = {}
    for topic_set_id, covered_to in groups:
        by_start.setdefault(covered_to, []).append(topic_set_id)
    terms = []
    for covered_to, topic_sets in by_start.items():
        named = subscription.topic_set_id.in_([topic_set for topic_set in topic_sets if topic_set is not None])
        holds = sa.or_(named, subscription.topic_set_id.is_(None)) if None in topic_sets else named
        terms.append(sa.and_(subscription.covered_to == covered_to, holds))
    return sa.or_(*terms)


async def _settle(connection: AsyncConnection, edition: Any, readers: sa.ColumnElement[bool]) -> int:
    """Nothing matches for these readers: their range is settled in one statement, unless a mail is in flight."""
    subscription, delivery = audience.Subscription, models.Delivery
    in_flight = sa.exists().where(
        delivery.subscription_id == subscription.id,
        delivery.state.in_([models.DeliveryState.SENDING, models.DeliveryState.DOUBTFUL]),
    )
    moved = sa.update(subscription).where(readers, ~in_flight)
    count = (
        await connection.execute(moved.values(covered_to=database.greatest(subscription.covered_to, edition.upto)))
    ).rowcount
    edition_row = editions.Edition
    counted = sa.update(edition_row).where(edition_row.id == edition.id)
    await connection.execute(counted.values(settled=edition_row.settled + count))
    return count


async def _queue(
    connection: AsyncConnection,
    filler: Filler,
    edition: Any,
    readers: sa.ColumnElement[bool],
    *,
    count: int,
    now: datetime,
) -> None:
    """INSERT … SELECT of one Delivery per reader, dealt out to new Batches in order of id.

    A reader who came in since `count` was taken may find no Batch left: the next Edition brings the same Articles.
    """
    batch, subscription, delivery = models.Batch, audience.Subscription, models.Delivery
    highest = sa.select(sa.func.max(batch.ordinal)).where(batch.edition_id == edition.id)
    last = (await connection.execute(highest)).scalar()
    first = 0 if last is None else last + 1
    size = filler.batch_size
    new = [{"edition_id": edition.id, "ordinal": first + number} for number in range(-(-count // size))]
    await connection.execute(sa.insert(batch), new)
    row_number = sa.func.row_number(type_=sa.Integer()).over(order_by=subscription.id)
    dealt = sa.select(subscription.id, ((row_number - 1) // size + first).label("ordinal")).where(readers).subquery()
    row = {
        "kind": sa.literal("digest"),
        "publication_id": sa.literal(edition.publication_id),
        "edition_id": sa.literal(edition.id),
        "subscription_id": dealt.c.id,
        "batch_id": batch.id,
        "state": sa.literal(models.DeliveryState.QUEUED, delivery.state.type),
        "tries": sa.literal(0),
        "doubts": sa.literal(0),
        "created_at": sa.literal(now, database.UtcDateTime()),
    }
    in_order = sa.and_(batch.edition_id == edition.id, batch.ordinal == dealt.c.ordinal)
    rows = sa.select(*row.values()).join(batch, in_order).order_by(dealt.c.id)
    await connection.execute(sa.insert(delivery).from_select(list(row), rows, include_defaults=False))
