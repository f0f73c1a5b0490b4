"""One click in a mail, signed out: nothing more comes, not even what is about to leave."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.support import doors, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, engine=engine) as made:
        yield made


@pytest.fixture
async def provider(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A mailbox provider that presses the button for its user."""
    async with doors.of(world) as client:
        yield client


async def first_mails(world: World, count: int) -> dict[str, str]:
    """Everybody has had one digest; the token in each."""
    for number in range(count):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one")
    await world.run(after=DAY)
    return {mail.to: mail.token for mail in world.mails}


async def test_a_click_between_fill_and_hand_over_stops_the_mail_that_was_queued(
    world: World, provider: httpx.AsyncClient
) -> None:
    tokens = await first_mails(world, 2)
    await world.publish("two")
    await world.queue(after=DAY)
    answer = await provider.post(f"/unsubscribe/{tokens['r0@example.org']}", data=ONE_CLICK)
    assert answer.status_code == 200
    await world.send()
    assert world.told("r0@example.org") == [("one",)]
    assert world.told("r1@example.org") == [("one",), ("two",)]
    assert [row.state.value for row in await world.deliveries("r0@example.org")] == ["sent", "withheld"]
    await world.publish("three")
    await world.run(after=DAY)
    assert world.told("r0@example.org") == [("one",)]


async def test_a_click_in_the_middle_of_a_running_batch_counts_at_once(
    world: World, provider: httpx.AsyncClient
) -> None:
    tokens = await first_mails(world, 12)
    before = len(world.server.received)
    await world.publish("two")
    await world.queue(after=DAY)
    world.server.answer("content", "", delay=0.3)
    sending = asyncio.create_task(world.send())
    async with asyncio.timeout(20):
        while len(world.server.received) < before + 4:  # noqa: ASYNC110 - the server's own thread tells
            await asyncio.sleep(0.01)
    clicks = [provider.post(f"/unsubscribe/{tokens[f'r{n}@example.org']}", data=ONE_CLICK) for n in (9, 10, 11)]
    assert [answer.status_code for answer in await asyncio.gather(*clicks)] == [200] * 3
    assert await sending == {"sent": 9, "withheld": 3}
    assert {len(world.told(f"r{number}@example.org")) for number in range(9)} == {2}
    assert {len(world.told(f"r{number}@example.org")) for number in (9, 10, 11)} == {1}


async def test_a_click_while_the_own_mail_is_on_the_wire_waits_for_nothing(
    world: World, provider: httpx.AsyncClient
) -> None:
    tokens = await first_mails(world, 1)
    await world.publish("two")
    await world.queue(after=DAY)
    world.server.answer("content", "", delay=0.5)
    sending = asyncio.create_task(world.send())
    async with asyncio.timeout(20):
        while len(world.server.received) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    answer = await provider.post(f"/unsubscribe/{tokens['r0@example.org']}", data=ONE_CLICK)
    assert answer.status_code == 200
    assert not sending.done()
    assert await sending == {"sent": 1}
    await world.publish("three")
    await world.run(after=DAY)
    assert world.told("r0@example.org") == [("one",), ("two",)]
