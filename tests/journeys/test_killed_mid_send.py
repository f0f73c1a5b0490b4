"""A process dies while mails are on the wire. Nobody goes without, and hardly anybody gets the same mail twice."""

import asyncio
import email
from collections import defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest.outbox.models import Batch, Delivery
from digest.run import passes
from tests.support import nodes, table, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
READERS, CONNECTIONS, DAY = 14, 4, timedelta(days=1)


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    """One Edition queued for many readers, at the real time, and a relay that is slow to answer."""
    async with worlds.a_world(db_url, tmp_path, datetime.now(UTC) - DAY, engine=engine) as made:
        for number in range(READERS):
            await made.subscribe(f"r{number}@example.org", "daily")
        await made.publish("one", "heart")
        await made.queue(after=DAY)
        made.server.answer("content", "", delay=0.4)
        yield made


def message_ids(world: World) -> dict[str, list[str]]:
    found = defaultdict(list)
    for mail in world.server.received:
        found[mail.recipient].append(email.message_from_bytes(mail.content)["Message-ID"])
    return found


async def finish(world: World) -> None:
    """Another node takes over, without waiting for the lease to run out."""
    world.server.behave()
    for batch in await table.rows(world.parts.db, Batch, state="running"):
        await table.change(world.parts.db, Batch, batch.id, lease_until=world.now - DAY)
    world.now = datetime.now(UTC)
    await world.run()
    await world.run(after=timedelta(minutes=2))
    assert {row.state.value for row in await table.rows(world.parts.db, Delivery)} == {"sent"}


def check_all_have_it(world: World) -> None:
    """Nobody goes without; what came twice is one mail per connection at most, and known as the same."""
    got = message_ids(world)
    assert sorted(got) == sorted(f"r{number}@example.org" for number in range(READERS))
    assert sum(map(len, got.values())) - READERS <= CONNECTIONS
    assert all(len(set(ids)) == 1 for ids in got.values())


async def test_kill_loses_nothing_and_repeats_one_mail_per_connection_at_most(world: World, db_url: str) -> None:
    async with nodes.running(world, db_url) as running:
        await nodes.until(lambda: len(world.server.received) >= CONNECTIONS + 2, running)
        await running[0].kill()
    assert len(world.server.received) < READERS
    await finish(world)
    check_all_have_it(world)


async def test_a_relay_restart_loses_nothing_and_repeats_one_mail_per_connection_at_most(world: World) -> None:
    sending = asyncio.create_task(world.send())
    await nodes.until(lambda: len(world.server.received) >= CONNECTIONS + 2, [])
    world.server.hang_up()
    await sending
    world.server.behave()
    for _ in range(3):
        await world.run(after=timedelta(hours=1))
    check_all_have_it(world)


@pytest.mark.parametrize(("db_url", "engine"), [("postgres", "in-process")], indirect=True)
async def test_a_database_restart_in_the_middle_of_a_send_loses_nothing(world: World) -> None:
    sending = asyncio.create_task(passes.run_due(world.parts, world.now, world.sender))
    await nodes.until(lambda: len(world.server.received) >= CONNECTIONS + 2, [])
    async with world.parts.db.transaction() as connection:
        others = "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        await connection.execute(sa.text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity {others}"))
    await sending
    await finish(world)
    check_all_have_it(world)


async def test_asked_to_end_it_loses_nothing_and_repeats_nothing(world: World, db_url: str) -> None:
    async with nodes.running(world, db_url) as running:
        await nodes.until(lambda: len(world.server.received) >= CONNECTIONS + 2, running)
        assert await running[0].end() == 0, running[0].said
    assert len(world.server.received) < READERS
    states = {row.state.value for row in await table.rows(world.parts.db, Delivery)}
    assert states == {"sent", "queued"}
    assert {row.state.value for row in await table.rows(world.parts.db, Batch)} == {"queued"}
    await finish(world)
    assert {recipient: len(ids) for recipient, ids in message_ids(world).items()} == {
        f"r{number}@example.org": 1 for number in range(READERS)
    }
