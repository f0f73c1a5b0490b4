"""An Article goes in at one end, and comes out in the inboxes of those who asked for it, when they asked for it."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.support import wirecheck, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, engine=engine) as made:
        yield made


async def test_a_daily_reader_gets_each_article_once(world: World) -> None:
    await world.subscribe("anna@example.org", "daily", send_at="08:00", timezone="Europe/Berlin")
    for day in range(3):
        await world.publish(f"day-{day}", "heart")
        await world.run_until(world.now + timedelta(days=1))
    assert world.told("anna@example.org") == [("day-0",), ("day-1",), ("day-2",)]


async def test_each_reader_hears_at_their_own_pace(world: World) -> None:
    await world.subscribe("daily@example.org", "daily", send_at="08:00", timezone="Europe/Berlin")
    await world.subscribe("weekly@example.org", "weekly", weekday=0, send_at="09:00", timezone="America/New_York")
    await world.subscribe("instant@example.org", "instant")
    for day in range(7):
        await world.publish(f"day-{day}")
        await world.run_until(world.now + timedelta(days=1))
    await world.run_until(world.now + timedelta(hours=9))
    everything = tuple(f"day-{day}" for day in range(7))
    assert len(world.told("daily@example.org")) == 7
    assert len(world.told("instant@example.org")) == 7
    weekly = world.told("weekly@example.org")
    assert [set(digest) for digest in weekly] == [{"day-0"}, set(everything[1:])]


async def test_nothing_new_means_no_mail(world: World) -> None:
    await world.subscribe("anna@example.org")
    await world.publish("only")
    await world.run_until(world.now + timedelta(days=4))
    assert world.told("anna@example.org") == [("only",)]


async def test_readers_of_a_topic_get_that_topic_only(world: World) -> None:
    await world.subscribe("heart@example.org", topics=("heart",))
    await world.subscribe("sleep@example.org", topics=("sleep",))
    await world.publish("beat", "heart")
    await world.publish("both", "heart", "sleep")
    await world.run(after=timedelta(days=1))
    assert {name: set(world.told(f"{name}@example.org")[0]) for name in ("heart", "sleep")} == {
        "heart": {"beat", "both"},
        "sleep": {"both"},
    }


async def test_every_mail_is_well_formed_and_can_be_left_by_one_click(world: World) -> None:
    await world.subscribe("anna@example.org")
    await world.publish("one", "heart")
    await world.run(after=timedelta(days=1))
    [mail] = world.mails
    assert wirecheck.faults(mail.content) == []
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in mail.content
    row = await world.subscription("anna@example.org")
    token = world.parts.signer.read_mail_token(mail.token)
    assert token is not None
    assert (token.subscription_id, token.generation) == (row.id, row.generation)


async def test_a_run_with_nothing_due_does_nothing(world: World) -> None:
    await world.subscribe("anna@example.org")
    report = await world.run()
    assert (report.editions, +report.deliveries) == ([], {})
