"""One question for every mail: may it start now, and if not, what holds it back?"""

import dataclasses
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from digest import database
from digest.outbox import gate, models, throttle, windows
from digest.outbox.gate import Block, Way, Why
from digest.outbox.replies import Reply, Stage

pytestmark = pytest.mark.anyio

GMAIL, OTHER = Way("main", "gmail", "news.example.org"), Way("main", "mail.example", "news.example.org")
ACCEPTED = Reply(250, "ok", Stage.CONTENT)
BUSY = Reply(421, "4.7.0 too many connections", Stage.RCPT)
LIMITS = throttle.Limits(relays={"main": 50}, destinations={"gmail": 20})


class Keeper:
    """A gate with its database and a clock that stands still."""

    def __init__(self, db: database.Database, now: datetime, **rules: object) -> None:
        self.db, self.now, self.seconds = db, now, 1000.0
        shape = windows.Shape(start=4, step=2)
        self.gate = gate.Gate(
            dataclasses.replace(gate.Rules(shape=shape), **rules),  # type: ignore[arg-type]
            chance=lambda: 0.0,
            seconds=lambda: self.seconds,
        )

    def admit(self, way: Way = GMAIL, *, is_urgent: bool = False) -> Block | None:
        return self.gate.admit(way, self.now, is_urgent=is_urgent)

    def admit_all(self, count: int, way: Way = GMAIL) -> int:
        return sum(self.admit(way) is None for _ in range(count))

    async def settle(self, *, after: float = 0) -> None:
        """Let time pass for the buckets, then ask and tell the database."""
        self.seconds += 2 * gate.TAKE_SECONDS
        async with self.db.transaction() as connection:
            await connection.execute(sa.update(models.Bucket).values(free_at=models.Bucket.free_at - after))
            await self.gate.settle(connection, self.now)

    async def look(self) -> None:
        self.seconds += gate.LOOK_SECONDS
        async with self.db.reading() as connection:
            await self.gate.look(connection, self.now)

    async def put_off(self, block: Block, count: int) -> list[float]:
        async with self.db.transaction() as connection:
            waits = await self.gate.put_off(connection, block, count, self.now)
        return [wait.total_seconds() for wait in waits]

    async def used(self) -> int | None:
        async with self.db.reading() as connection:
            return (await connection.execute(sa.select(models.Ration.used))).scalar()


async def test_without_limits_only_the_window_counts_and_the_database_is_left_alone(
    db: database.Database, now: datetime
) -> None:
    keeper = Keeper(db, now)
    assert keeper.admit_all(6) == 4
    assert keeper.admit() == Block(Why.WINDOW, ("main", "gmail"))
    assert keeper.admit(OTHER) is None
    assert not keeper.gate.is_unsettled
    keeper.gate.end(GMAIL, ACCEPTED)
    assert keeper.gate.room(Block(Why.WINDOW, ("main", "gmail")), 9, now) == 1


async def test_a_mail_starts_with_a_token_of_each_of_its_limits(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, limits=LIMITS)
    assert keeper.admit() == Block(Why.RATE, ("main", "gmail"))
    assert keeper.gate.is_unsettled
    await keeper.settle()
    assert keeper.admit() == Block(Why.RATE, ("main", ""))
    await keeper.settle()
    assert keeper.admit() is None
    assert keeper.admit() == Block(Why.RATE, ("main", "gmail"))


async def test_those_held_back_are_asked_for_together(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, limits=throttle.Limits(destinations={"gmail": 20}))
    block = keeper.admit()
    assert block is not None
    await keeper.settle()
    keeper.admit()
    assert keeper.gate.room(block, 7, now) == 0
    await keeper.settle(after=10)
    assert keeper.gate.room(block, 7, now) == 7
    assert keeper.gate.room(block, 3, now) == 3


async def test_batches_that_commit_at_the_same_time_share_what_one_took(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, limits=throttle.Limits(destinations={"gmail": 20}))
    keeper.admit()
    await keeper.settle()
    keeper.admit_all(5)
    assert not keeper.gate.is_unsettled
    keeper.seconds += 2 * gate.TAKE_SECONDS
    assert keeper.gate.is_unsettled


async def test_tokens_of_a_mail_that_never_left_serve_another(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, limits=throttle.Limits(destinations={"gmail": 0.01}))
    keeper.admit()
    await keeper.settle()
    assert keeper.admit() is None
    keeper.gate.end(GMAIL, None)
    assert keeper.admit() is None
    keeper.gate.end(GMAIL, ACCEPTED)
    assert keeper.admit() is not None


async def test_a_notice_borrows_a_token_and_goes_beyond_the_window(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, limits=throttle.Limits(destinations={"gmail": 0.01}))
    assert keeper.admit(is_urgent=True) is None
    assert keeper.admit(is_urgent=True) == Block(Why.RATE, ("main", "gmail"))
    assert keeper.gate.is_unsettled
    await keeper.settle()
    assert keeper.admit() is not None
    keeper = Keeper(db, now)
    keeper.admit_all(4)
    assert [keeper.admit(is_urgent=True) is None for _ in range(3)] == [True, True, False]


async def test_a_pause_holds_back_notices_too_and_ends_with_one_connection(
    db: database.Database, now: datetime
) -> None:
    keeper = Keeper(db, now)
    keeper.admit_all(4)
    for _ in range(5):
        keeper.gate.end(GMAIL, BUSY)
    await keeper.settle()
    paused = Block(Why.PAUSE, ("main", "gmail"))
    assert keeper.admit(is_urgent=True) == paused
    assert keeper.gate.room(paused, 9, now) == 0
    keeper.gate.held[paused] = 9
    assert keeper.gate.excess(paused, keeper.now) == 9
    assert await keeper.put_off(paused, 2) == pytest.approx([600.1, 600.2], abs=0.05)
    keeper.now += timedelta(minutes=10)
    assert keeper.admit() == paused
    await keeper.settle()
    assert keeper.gate.room(paused, 9, keeper.now) == 1
    assert keeper.admit_all(9) == 1


async def test_a_destination_that_wants_one_connection_gets_one_and_others_all(
    db: database.Database, now: datetime
) -> None:
    keeper = Keeper(db, now)
    keeper.admit_all(4)
    keeper.admit_all(4, OTHER)
    for _ in range(4):
        keeper.gate.end(GMAIL, BUSY)
        keeper.gate.end(OTHER, ACCEPTED)
    assert (keeper.admit_all(9), keeper.admit_all(9, OTHER)) == (1, 5)


async def test_others_begin_with_one_connection_when_a_pause_is_over(db: database.Database, now: datetime) -> None:
    one, two = Keeper(db, now), Keeper(db, now)
    for _ in range(5):
        one.gate.end(GMAIL, BUSY)
    await one.settle()
    await two.look()
    assert two.admit() == Block(Why.PAUSE, ("main", "gmail"))
    async with db.transaction() as connection:
        await connection.execute(sa.delete(models.Pause))
    await two.look()
    assert two.admit_all(9) == 1


async def test_as_many_are_kept_as_can_go_in_a_moment(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, limits=LIMITS)
    by_rate, by_window = Block(Why.RATE, ("main", "gmail")), Block(Why.WINDOW, ("main", "mail.example"))
    keeper.gate.held.update({by_rate: 80, by_window: 80})
    assert keeper.gate.excess(by_rate, now) == 30
    assert keeper.gate.excess(by_window, now) == 78
    for _ in range(200):
        keeper.seconds += 0.1
        keeper.gate.end(OTHER, ACCEPTED)
    assert 55 <= keeper.gate.excess(by_window, now) <= 56
    waits = await keeper.put_off(by_rate, 20)
    assert waits[-1] == pytest.approx(3.0, abs=0.05)


async def test_while_a_domain_warms_up_only_so_many_leave_in_a_day(db: database.Database, now: datetime) -> None:
    keeper = Keeper(db, now, is_careful=True, shape=windows.Shape(start=500))
    sent = 0
    for _ in range(300):
        block = keeper.admit()
        if block is None:
            sent += 1
            continue
        assert block == Block(Why.WARMUP, ("", "news.example.org"))
        keeper.gate.held[block] = 1
        if keeper.gate.excess(block, keeper.now):
            break
        await keeper.settle()
    assert sent == await keeper.used() == 100
    # A notice is never stopped, but counts.
    assert keeper.admit(is_urgent=True) is None
    await keeper.settle()
    assert await keeper.used() == 101
    keeper.now += timedelta(days=1)
    block = keeper.admit()
    assert block is not None
    assert keeper.gate.excess(block, keeper.now) == 0
    await keeper.settle()
    assert keeper.admit() is None
