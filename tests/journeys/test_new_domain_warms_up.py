"""A domain nobody knows yet: so many mails a day, and those who have waited longest are served first."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest import addresses, publications
from digest.audience import preferences, signup, trail
from digest.outbox import models, warmup
from tests.support import world as worlds

pytestmark = pytest.mark.anyio

READERS = [f"reader{number}@example.org" for number in range(10)]
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.fixture
async def young(
    db_url: str, tmp_path: Path, now: datetime, monkeypatch: pytest.MonkeyPatch, anyio_backend: str
) -> AsyncIterator[worlds.World]:
    """Ten readers of a daily digest, and a domain that begins with three mails a day."""
    monkeypatch.setattr(warmup, "FLOOR", 3)
    async with worlds.a_world(db_url, tmp_path, now, throttle={"plan": "careful"}) as world:
        for address in READERS:
            await world.subscribe(address)
        await world.run()
        yield world


def served(world: worlds.World) -> set[str]:
    """Who got a digest since the last look."""
    world._read_mails()
    fresh = {mail.to for mail in world.mails if mail.is_digest}
    world.mails.clear()
    return fresh


async def test_a_ceiling_delays_all_alike_and_loses_nothing(young: worlds.World) -> None:
    told: dict[str, list[str]] = {address: [] for address in READERS}
    days = []
    for day in range(12):
        await young.publish(f"day-{day}")
        await young.run(after=DAY - MINUTE)
        # Who found no free connection returns within seconds.
        await young.run(after=MINUTE)
        for mail in young.mails:
            told[mail.to] += mail.articles
        days.append(served(young))
    assert [len(day) for day in days[:6]] == [3, 4, 6, 9, 10, 10]
    # Nobody gets a second one before all had their first, and then again those wait least who waited most.
    assert days[0] | days[1] | days[2] == set(READERS)
    assert not days[0] & days[1]
    assert len(days[2] - days[0] - days[1]) == 3
    assert days[2] & (days[0] | days[1]) <= days[0]
    everything = sorted(f"day-{day}" for day in range(12))
    assert all(sorted(articles) == everything for articles in told.values())


async def test_who_waits_does_so_until_the_same_hour_of_the_next_day(young: worlds.World) -> None:
    await young.publish("first")
    await young.run(after=DAY)
    got = served(young)
    for address in READERS:
        [row] = await young.deliveries(address)
        if address in got:
            assert row.state is models.DeliveryState.SENT
            continue
        assert (row.state, row.tries, row.reason) == (models.DeliveryState.DEFERRED, 0, warmup.REASON)
        assert row.retry_at.date() == young.now.date() + DAY


async def test_a_request_to_confirm_is_never_stopped(young: worlds.World) -> None:
    await young.publish("first")
    await young.run(after=DAY)
    assert len(served(young)) == 3
    spec = publications.load(young.publication.spec)
    choice = preferences.fulfil(spec, preferences.Wish(frequency="weekly"))
    request = signup.Request(young.publication.id, addresses.parse("anna@example.org"), choice)
    async with young.parts.db.transaction() as connection:
        await signup.ask(connection, young.parts.hasher, request, door=trail.Door.PAGE, now=young.now)
    await young.run()
    assert [mail.to for mail in young.mails] == ["anna@example.org"]
    async with young.parts.db.reading() as connection:
        [day] = await warmup.today(connection, young.now)
    assert (day.used, day.ceiling) == (4, 3)


async def test_a_ceiling_that_does_not_bind_is_not_felt(young: worlds.World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warmup, "FLOOR", 10)
    await young.publish("first")
    await young.run(after=DAY)
    await young.run(after=MINUTE)
    assert served(young) == set(READERS)
