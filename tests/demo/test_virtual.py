"""The virtual clock stands while it is set, and its steps lead from one due instant to the next."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest.demo import virtual
from tests.support import world as worlds

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(db_url: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[worlds.World]:
    async with worlds.a_world(db_url, tmp_path, now) as made:
        yield made


def test_the_clock_stands_still_until_it_is_started(now):
    clock = virtual.VirtualClock(now)
    assert clock() == clock() == now
    clock.set(now + timedelta(days=1))
    assert clock() == now + timedelta(days=1)
    clock.start()
    assert clock() > now + timedelta(days=1)


async def test_without_anything_to_come_there_is_no_next_instant(db, now):
    assert await virtual.next_instant(db, now) is None


async def test_the_next_instant_is_the_nearest_release_or_digest(world, now):
    await world.subscribe("daily@example.org", "daily", send_at="08:00", timezone="UTC")
    await world.publish("soon", at=now + timedelta(minutes=5, seconds=3, milliseconds=7))
    await world.run()
    # Mails are dated in whole seconds, so the clock stops at no others.
    release = now + timedelta(minutes=5, seconds=4)
    assert await virtual.next_instant(world.parts.db, now) == release
    world.now = release
    await world.run()
    assert await virtual.next_instant(world.parts.db, release) == now.replace(hour=8)


async def test_an_instant_reader_who_must_wait_is_not_forgotten(world, now):
    await world.subscribe("instant@example.org", "instant")
    await world.publish("first")
    await world.run()
    await world.publish("second")
    await world.run(after=timedelta(minutes=1))
    assert await virtual.next_instant(world.parts.db, world.now) == now + timedelta(minutes=30)


async def test_playing_stops_at_every_instant_and_at_the_end(world, now):
    await world.subscribe("daily@example.org", "daily", send_at="08:00", timezone="UTC")
    clock, seen = virtual.VirtualClock(now), []
    world.sender.clock = clock
    await world.publish("news", at=now + timedelta(hours=1))
    end = now + timedelta(days=1)
    await virtual.play(world.parts, world.sender, clock, end, seen.append)
    assert seen == [now, now + timedelta(hours=1), now + timedelta(hours=2), end]
    assert world.server.recipients() == ["daily@example.org"]


async def test_a_pass_that_fails_stops_the_play(world, now):
    async with world.parts.db.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE articles RENAME TO gone")
    with pytest.raises(virtual.PlayError, match="release"):
        await virtual.tick(world.parts, world.sender, now)
