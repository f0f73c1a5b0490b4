"""The pass that turns Editions into Deliveries in Batches.

Reads planned Editions and Subscriptions; leaves queued Deliveries, Batches, and `covered_to` of readers for whom
nothing matches. Works in slices of Subscriptions by id, one transaction each with a cursor on the Edition, so a crash
resumes where it stopped and the first Batch can leave while the rest is being filled. Only writes candidates: who
really gets what is decided at hand-over.
"""

import dataclasses
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql
from digest.audience import models as audience
from digest.editions import choose, contents, models as editions, slots
from digest.outbox import models, wake

# SQLite's one write lock is held for a slice: some 25 ms for this many. Each may be a group of its own and be named in
# a statement, of which SQLite lets no more than 32,766 values be bound.
SLICE = 6_000
# Distinct covered_to named in one statement: SQLite reads no expression that is more than 1,000 deep. Readers beyond
# are queued whatever they would get, for the hand-over asks again.
STARTS_AT_ONCE = 500
# Some 20 MB at worst.
MOST_REMEMBERED = 100_000

Group = tuple[int, int]  # topic_set_id or 0, covered_to
# A reader of everything has none; 0 can be compared and listed where NULL cannot.
_TOPIC_SET_ID = sa.func.coalesce(audience.Subscription.topic_set_id, 0)


@dataclasses.dataclass(frozen=True)
class Filler:
    """What fill needs besides the database: sizes, and the shared memory of what there is to tell."""

    shelves: contents.Shelves
    topics: contents.Topics
    batch_size: int = 2000
    slice_size: int = SLICE
    submit: wake.Submit = wake.nobody
    kinds: dict[tuple[int, int, Group], type[choose.Verdict]] = dataclasses.field(default_factory=dict)

    def judge(
        self, edition: Any, shelf: contents.Shelf, group: Group, topics: frozenset[str] | None, now: datetime
    ) -> type[choose.Verdict]:
        """The kind of verdict for this group; remembered, for the same groups come again in every slice."""
        key = (edition.id, shelf.revision, group)
        if key in self.kinds:
            return self.kinds[key]
        reach = choose.Reach(topics, group[1], edition.upto)
        kind = type(shelf.choose(reach, now, is_instant=edition.frequency == "instant"))
        # Waiting ends by itself one day.
        if kind is not choose.Waiting:
            if len(self.kinds) >= MOST_REMEMBERED:
                self.kinds.clear()
            self.kinds[key] = kind
        return kind


@dataclasses.dataclass
class Filled:
    """Whether there is more to do at once, and how many readers were settled because nothing matched."""

    more: bool = False
    settled: int = 0


@dataclasses.dataclass(frozen=True)
class _Slice:
    """The readers up to the Subscription id `last`: how many of each group, and which groups get no Delivery."""

    last: int
    is_last: bool
    groups: dict[Group, int]
    nothing: dict[int, set[int]]
    passed_over: dict[int, set[int]]

    @property
    def queued(self) -> int:
        over = self.passed_over
        return sum(count for (topics, start), count in self.groups.items() if topics not in over.get(start, ()))


async def run(db: database.Database, filler: Filler, now: datetime) -> Filled:
    """Fill one slice of each planned Edition."""
    is_planned = editions.is_open_as(editions.EditionState.PLANNED)
    async with db.reading() as connection:
        statement = sa.select(editions.Edition.id).where(is_planned).order_by(editions.Edition.due_at)
        ids = (await connection.execute(statement)).scalars().all()
    filled = Filled()
    for id_ in ids:
        await _fill_slice(db, filler, id_, filled, now)
    return filled


async def _fill_slice(db: database.Database, filler: Filler, edition_id: int, filled: Filled, now: datetime) -> None:
    """Look and choose without a lock, then write. Whoever changes in between is asked again at hand-over."""
    async with db.reading() as connection:
        edition = await _find(connection, edition_id)
        if edition is None:
            return
        slice_ = await _look(connection, filler, edition, now)
    async with db.transaction() as connection:
        if not await _claim(connection, edition):
            return
        if await is_overtaken(connection, edition):
            reason = "a newer Edition was planned before this one was filled"
            await _mark(connection, edition_id, {"state": editions.EditionState.FILLED, "reason": reason})
            return
        settled = await _write(connection, filler, edition, slice_, now)
        values = {"fill_cursor": slice_.last, "settled": editions.Edition.settled + settled}
        if slice_.is_last:
            values["state"] = editions.EditionState.FILLED
        await _mark(connection, edition_id, values)
    filled.more |= not slice_.is_last
    filled.settled += settled


async def _mark(connection: AsyncConnection, edition_id: int, values: dict[str, Any]) -> None:
    await connection.execute(sa.update(editions.Edition).where(editions.Edition.id == edition_id).values(values))


async def _find(connection: AsyncConnection, edition_id: int) -> Any:
    """The Edition, or None when another node has finished it meanwhile."""
    cadence = audience.Cadence
    statement = (
        sa.select(editions.Edition, cadence.frequency)
        .join(cadence, cadence.id == editions.Edition.cadence_id)
        .where(editions.Edition.id == edition_id, editions.Edition.state == editions.EditionState.PLANNED)
    )
    return (await connection.execute(statement)).one_or_none()


async def _claim(connection: AsyncConnection, edition: Any) -> bool:
    """Whether this slice is ours: the row is locked, and no other node has filled it since we looked."""
    row = editions.Edition
    is_same = sa.and_(row.state == editions.EditionState.PLANNED, row.fill_cursor == edition.fill_cursor)
    statement = sa.select(row.id).where(row.id == edition.id, is_same).with_for_update()
    return (await connection.execute(statement)).first() is not None


async def is_overtaken(connection: AsyncConnection, edition: Any) -> bool:
    """Whether a newer Edition of the same Cadence will bring these Articles; one that is held may never."""
    statement = sa.select(newer_edition(edition.cadence_id, edition.id))
    return bool((await connection.execute(statement)).scalar())


def newer_edition(cadence_id: Any, edition_id: Any) -> sa.ColumnElement[bool]:
    other = orm.aliased(editions.Edition)
    lives = [editions.EditionState.PLANNED, editions.EditionState.FILLED, editions.EditionState.FINISHED]
    return sa.exists().where(other.cadence_id == cadence_id, other.id > edition_id, sql.among(other.state, lives))


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


async def _look(connection: AsyncConnection, filler: Filler, edition: Any, now: datetime) -> _Slice:
    last, count = await _next_slice(connection, edition, filler.slice_size)
    groups = await _groups(connection, edition, last, now) if count else {}
    verdicts = await _judge(connection, filler, edition, groups, now)
    return _Slice(
        last=last,
        is_last=count < filler.slice_size,
        groups=groups,
        nothing=_by_start(group for group, verdict in verdicts.items() if verdict is choose.Nothing),
        passed_over=_by_start(group for group, verdict in verdicts.items() if verdict is not choose.Chosen),
    )


async def _write(connection: AsyncConnection, filler: Filler, edition: Any, slice_: _Slice, now: datetime) -> int:
    """Queue the readers who may get something and settle those for whom nothing matches; how many of these."""
    readers = _readers(edition, slice_.last, now)
    # Settling moves readers out of the groups that are passed over, so it comes second.
    if count := slice_.queued:
        await _queue(connection, filler, edition, sa.and_(readers, ~_in(slice_.passed_over)), count=count, now=now)
    return await _settle(connection, edition, sa.and_(readers, _in(slice_.nothing))) if slice_.nothing else 0


async def _groups(connection: AsyncConnection, edition: Any, last: int, now: datetime) -> dict[Group, int]:
    """How many readers of the slice there are of each group."""
    columns = (_TOPIC_SET_ID, audience.Subscription.covered_to)
    statement = sa.select(*columns, sa.func.count()).where(_readers(edition, last, now)).group_by(*columns)
    rows = (await connection.execute(statement)).all()
    return {(topic_set_id, covered_to): count for topic_set_id, covered_to, count in rows}


async def _judge(
    connection: AsyncConnection, filler: Filler, edition: Any, groups: Collection[Group], now: datetime
) -> dict[Group, type[choose.Verdict]]:
    """What kind of verdict each group gets. One Shelf serves all of them, for it reaches down to the lowest."""
    if not groups:
        return {}
    floor = min(covered_to for _, covered_to in groups)
    shelf = await filler.shelves.get(connection, edition.publication_id, above=floor)
    held = await filler.topics.get_all(connection, {topic_set_id for topic_set_id, _ in groups if topic_set_id})
    return {group: filler.judge(edition, shelf, group, held.get(group[0]), now) for group in groups}


def _readers(edition: Any, last: int, now: datetime) -> sa.ColumnElement[bool]:
    """Subscriptions of the slice that this Edition is for."""
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
    return sa.and_(*terms)


def _by_start(groups: Iterable[Group]) -> dict[int, set[int]]:
    """Topic sets by covered_to; no more of these than one statement may name."""
    found: dict[int, set[int]] = {}
    for topic_set_id, covered_to in groups:
        if covered_to in found or len(found) < STARTS_AT_ONCE:
            found.setdefault(covered_to, set()).add(topic_set_id)
    return found


def _in(by_start: dict[int, set[int]]) -> sa.ColumnElement[bool]:
    covered_to = audience.Subscription.covered_to
    return sa.or_(
        sa.false(), *(sa.and_(covered_to == start, _TOPIC_SET_ID.in_(ids)) for start, ids in by_start.items())
    )


async def _settle(connection: AsyncConnection, edition: Any, readers: sa.ColumnElement[bool]) -> int:
    """Nothing matches for these readers: their range is settled in one statement, unless a mail is in flight."""
    subscription, delivery = audience.Subscription, models.Delivery
    in_flight = sa.exists().where(
        delivery.subscription_id == subscription.id,
        sql.among(delivery.state, models.IN_FLIGHT),
    )
    moved = sa.update(subscription).where(readers, ~in_flight)
    upto = sql.greatest(subscription.covered_to, edition.upto)
    return (await connection.execute(moved.values(covered_to=upto))).rowcount


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

    Readers who came in since `count` was taken go into the last Batch.
    """
    batch, subscription, delivery = models.Batch, audience.Subscription, models.Delivery
    highest = sa.select(sa.func.max(batch.ordinal)).where(batch.edition_id == edition.id)
    last = (await connection.execute(highest)).scalar()
    first = 0 if last is None else last + 1
    size = filler.batch_size
    new = [{"edition_id": edition.id, "ordinal": first + number} for number in range(-(-count // size))]
    made = await connection.execute(sa.insert(batch).returning(batch.id), new)
    await filler.submit(connection, list(made.scalars()))
    wanted = (sa.func.row_number(type_=sa.Integer()).over(order_by=subscription.id) - 1) // size + first
    ordinal = sa.case((wanted < first + len(new), wanted), else_=first + len(new) - 1)
    dealt = sa.select(subscription.id, ordinal.label("ordinal")).where(readers).subquery()
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
    rows = sa.select(*row.values()).join(batch, in_order)
    await connection.execute(sa.insert(delivery).from_select(list(row), rows, include_defaults=False))
