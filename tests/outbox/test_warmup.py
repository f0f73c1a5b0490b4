"""How a domain grows, and who comes first while it does."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from digest import database
from digest.outbox import models, warmup

pytestmark = pytest.mark.anyio

DOMAIN = "news.example.org"


def test_a_ceiling_grows_by_what_was_used_and_never_doubles() -> None:
    days, busiest = 0, 0
    while busiest < 1_000_000:
        ceiling = warmup.ceiling(busiest)
        assert not busiest or ceiling < 2 * busiest
        days, busiest = days + 1, ceiling
    assert days == 21
    assert [warmup.ceiling(count) for count in (0, 10, 100, 1000)] == [100, 100, 160, 1600]


def test_those_who_never_had_a_digest_come_first_and_then_those_who_waited_longest() -> None:
    line = [(None, 3), (None, 9), (date(2026, 10, 1), 5), (date(2026, 11, 1), 1), (date(2026, 11, 1), 2)]
    mixed = random.Random(1).sample(line, len(line))
    assert sorted(mixed, key=lambda one: warmup.place(*one)) == line


@pytest.mark.parametrize(
    ("planned", "now", "expected"),
    [
        ("2026-11-02T06:00", "2026-11-02T06:00", "2026-11-03T06:00"),
        ("2026-11-02T06:00", "2026-11-02T23:59", "2026-11-03T06:00"),
        ("2026-11-02T23:00", "2026-11-03T00:30", "2026-11-04T23:00"),
        ("2026-11-02T06:00", "2026-11-04T05:00", "2026-11-05T06:00"),
    ],
)
def test_the_next_day_means_the_same_hour_of_a_day_with_rations_of_its_own(
    planned: str, now: str, expected: str
) -> None:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)

    assert warmup.next_day(at(planned), at(now)) == at(expected)


async def take(db: database.Database, count: int, now: datetime) -> int:
    async with db.transaction() as connection:
        return await warmup.Rations().take(connection, DOMAIN, count, now)


async def had(db: database.Database, days: dict[date, int]) -> None:
    async with db.transaction() as connection:
        for day, used in days.items():
            await connection.execute(sa.insert(models.Ration).values(domain=DOMAIN, day=day, used=used))


async def test_a_day_is_worth_more_than_the_busiest_before_it(db: database.Database, now: datetime) -> None:
    today = now.date()
    await had(db, {today - timedelta(days=44): 1000, today - timedelta(days=46): 9000, today - timedelta(days=1): 10})
    async with db.reading() as connection:
        assert await warmup.today(connection, now) == []
    assert await take(db, 5, now) == 5
    async with db.reading() as connection:
        assert await warmup.today(connection, now) == [warmup.Day(DOMAIN, 1600, 5)]


async def test_rations_are_taken_in_portions_that_end_with_the_day(db: database.Database, now: datetime) -> None:
    taken = [await take(db, 1000, now) for _ in range(80)]
    assert taken[0] == 5
    assert max(taken) == 5
    assert sum(taken) == 100
    assert taken[-1] == 0
    assert await take(db, 1000, now + timedelta(days=1)) == 8


async def test_notices_count_beyond_the_ceiling(db: database.Database, now: datetime) -> None:
    rations = warmup.Rations()
    async with db.transaction() as connection:
        await rations.owe(connection, DOMAIN, 130, now)
        assert await rations.take(connection, DOMAIN, 10, now) == 0
        assert await warmup.today(connection, now) == [warmup.Day(DOMAIN, 100, 130)]
    assert rations.is_used_up(DOMAIN, now)
