"""Tokens: what buckets give, to whom, and when those come back who got none."""

import asyncio

import pytest
import sqlalchemy as sa

from digest import database
from digest.outbox import models, throttle

pytestmark = pytest.mark.anyio

RELAY, GMAIL, FREE = ("main", ""), ("main", "gmail"), ("main", "news.example")
LIMITS = throttle.Limits(relays={"main": 100}, destinations={"gmail": 20, "slow.example": 0.01})


async def set_back(db: database.Database, seconds: float) -> None:
    """As if so much time had passed."""
    bucket = models.Bucket
    moved = {"free_at": bucket.free_at - seconds, "booked_to": bucket.booked_to - seconds}
    async with db.transaction() as connection:
        await connection.execute(sa.update(bucket).values(moved))


async def take(
    db: database.Database, wanted: dict[throttle.Key, int], tokens: throttle.Tokens | None = None
) -> dict[throttle.Key, int]:
    async with db.transaction() as connection:
        return await (tokens or throttle.Tokens(LIMITS)).take(connection, wanted)


async def count_buckets(db: database.Database) -> int:
    async with db.reading() as connection:
        return (await connection.execute(sa.select(sa.func.count()).select_from(models.Bucket))).scalar_one()


def test_a_mail_needs_a_token_of_each_limit_it_falls_under() -> None:
    assert LIMITS.binding("main", "gmail") == (GMAIL, RELAY)
    assert LIMITS.binding("main", "news.example") == (RELAY,)
    assert LIMITS.binding("other", "gmail") == (("other", "gmail"),)
    assert LIMITS.binding("other", "news.example") == ()


async def test_what_has_no_limit_needs_no_row(db: database.Database) -> None:
    assert await take(db, {FREE: 1000}) == {FREE: 1000}
    assert await count_buckets(db) == 0


async def test_a_new_bucket_gives_one_token_and_no_burst(db: database.Database) -> None:
    assert await take(db, {("main", "slow.example"): 50}) == {("main", "slow.example"): 1}
    assert await take(db, {("main", "slow.example"): 50}) == {("main", "slow.example"): 0}


async def test_tokens_come_with_time_and_are_given_once(db: database.Database) -> None:
    await take(db, {GMAIL: 1})
    await set_back(db, 0.25)
    first = await take(db, {GMAIL: 3})
    assert first == {GMAIL: 3}
    # 0.25 s are five tokens; what the test itself takes is worth a few more.
    second = await take(db, {GMAIL: 50})
    assert 2 <= second[GMAIL] <= 7


async def test_tokens_do_not_pile_up(db: database.Database) -> None:
    await take(db, {GMAIL: 1, ("main", "slow.example"): 1})
    await set_back(db, 3600)
    assert await take(db, {GMAIL: 50, ("main", "slow.example"): 50}) == {GMAIL: 10, ("main", "slow.example"): 1}


@pytest.mark.parametrize("rate", [1 / 3, 0.7, 1.9, 2.0000001, 7.0, 1000.0])
async def test_no_rate_rounds_a_bucket_down_to_nothing(db: database.Database, rate: float) -> None:
    tokens = throttle.Tokens(throttle.Limits(destinations={"gmail": rate}))
    for _ in range(5):
        assert (await take(db, {GMAIL: 1}, tokens))[GMAIL] == 1
        await set_back(db, 60)


async def test_several_limits_are_asked_in_one_go(db: database.Database) -> None:
    await take(db, {GMAIL: 1, RELAY: 1})
    await set_back(db, 10)
    granted = await take(db, {FREE: 7, RELAY: 99, GMAIL: 99})
    assert granted == {FREE: 7, RELAY: 50, GMAIL: 10}


async def test_takers_in_any_order_wait_for_each_other_and_get_no_more_together(db: database.Database) -> None:
    keys = [("main", f"{number}.example") for number in range(6)]
    tokens = throttle.Tokens(throttle.Limits(destinations={key[1]: 0.02 for key in keys}))
    await take(db, dict.fromkeys(keys, 1), tokens)
    await set_back(db, 100)
    wanted = [dict.fromkeys(keys if turn % 2 else keys[::-1], 1) for turn in range(8)]
    granted = await asyncio.gather(*(take(db, keys_, tokens) for keys_ in wanted))
    assert [sum(one[key] for one in granted) for key in keys] == [1] * 6


async def test_a_clock_that_was_set_back_does_not_stop_the_mail(db: database.Database) -> None:
    await take(db, {GMAIL: 1})
    await set_back(db, -86_400)
    await take(db, {GMAIL: 1})
    await set_back(db, 1)
    assert await take(db, {GMAIL: 5}) == {GMAIL: 5}


async def test_who_is_put_off_comes_back_at_the_pace_of_the_bucket(db: database.Database) -> None:
    tokens = throttle.Tokens(LIMITS)
    async with db.transaction() as connection:
        first = await tokens.put_off(connection, GMAIL, 3, rate=20)
        second = await tokens.put_off(connection, GMAIL, 2, rate=20)
    waits = [wait.total_seconds() for wait in first + second]
    assert waits == pytest.approx([2.05, 2.10, 2.15, 2.20, 2.25], abs=0.04)
    assert waits == sorted(waits)


async def test_nobody_comes_back_before_a_pause_is_over(db: database.Database) -> None:
    tokens = throttle.Tokens(LIMITS)
    async with db.transaction() as connection:
        waits = await tokens.put_off(connection, FREE, 2, rate=10, after=600)
        waits += await tokens.put_off(connection, FREE, 1, rate=10, after=600)
    assert [wait.total_seconds() for wait in waits] == pytest.approx([600.1, 600.2, 600.3], abs=0.04)


async def test_bookings_that_are_over_bind_nobody(db: database.Database) -> None:
    tokens = throttle.Tokens(LIMITS)
    async with db.transaction() as connection:
        await tokens.put_off(connection, GMAIL, 2000, rate=20)
    await set_back(db, 3600)
    async with db.transaction() as connection:
        [wait] = await tokens.put_off(connection, GMAIL, 1, rate=20)
    assert wait.total_seconds() == pytest.approx(2.05, abs=0.04)
