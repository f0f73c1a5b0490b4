from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.audience import models, rates
from tests.support import cast

pytestmark = pytest.mark.anyio
HOUR = timedelta(hours=1)


async def count(db, *counts, now):
    async with db.transaction() as connection:
        return await rates.is_within(connection, counts, now)


async def test_a_limit_is_reached_after_so_many_and_begins_anew_when_its_window_is_over(db, now):
    answers = [await count(db, ("3/hour", "anna"), now=now + number * timedelta(minutes=1)) for number in range(5)]
    assert answers == [True, True, True, False, False]
    # The window began with the first.
    assert not await count(db, ("3/hour", "anna"), now=now + HOUR - timedelta(seconds=1))
    assert await count(db, ("3/hour", "anna"), now=now + HOUR)


async def test_each_key_and_each_limit_counts_for_itself(db, now):
    assert await count(db, ("1/hour", "anna"), now=now)
    assert await count(db, ("1/hour", "bea"), now=now)
    assert await count(db, ("1/day", "anna"), now=now)
    assert not await count(db, ("1/hour", "anna"), now=now)


async def test_what_is_refused_counts_for_none_of_the_limits_behind_it(db, now):
    for _ in range(5):
        await count(db, ("1/day", "anna"), ("3/30 days", "anna"), now=now)
    assert await count(db, ("1/day", "anna"), ("3/30 days", "anna"), now=now + timedelta(days=1))
    assert await count(db, ("1/day", "anna"), ("3/30 days", "anna"), now=now + timedelta(days=2))
    assert not await count(db, ("1/day", "anna"), ("3/30 days", "anna"), now=now + timedelta(days=3))


async def test_an_empty_limit_is_none(db, now):
    before = await cast.everything(db)
    assert await count(db, ("", "anna"), now=now)
    assert await cast.everything(db) == before


async def test_windows_that_are_over_are_forgotten(db, now):
    await count(db, ("1/hour", "anna"), ("1/day", "anna"), now=now)
    assert await rates.prune(db, now + timedelta(hours=2)) == 1
    async with db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(models.Rate)) == 1
    assert not await count(db, ("1/day", "anna"), now=now + timedelta(hours=2))
