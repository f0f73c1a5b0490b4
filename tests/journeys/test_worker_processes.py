"""Processes that only send: they share the work, take over from the dead, and outlive their database."""

import asyncio
import contextlib
import dataclasses
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from digest import database
from digest.audience.models import Subscription
from digest.outbox.models import Batch, Delivery
from digest.run import schema
from tests.support import nodes, postgres, table, world as worlds
from tests.support.nodes import Node
from tests.support.world import World

pytestmark = pytest.mark.anyio
READERS, BATCH, CONNECTIONS, DAY = 48, 6, 4, timedelta(days=1)
# A lease lasts ten seconds; then whoever lives goes on. What is left to send takes some seconds more.
RESUMED_SECONDS = 20
EVERYBODY = [f"r{number}@example.org" for number in range(READERS)]


@contextlib.asynccontextmanager
async def readers_to_write_to(db_url: str, engine: str, home: Path) -> AsyncIterator[World]:
    """What is to be said to them makes eight Batches, and the relay takes a while over each mail."""
    async with worlds.a_world(db_url, home, datetime.now(UTC) - DAY, engine=engine) as made:
        filler = dataclasses.replace(made.parts.filler, batch_size=BATCH)
        made.parts = dataclasses.replace(made.parts, filler=filler)
        for reader in EVERYBODY:
            await made.subscribe(reader, "daily")
        await made.publish("one", "heart")
        take(made, seconds=0.3)
        yield made


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    async with readers_to_write_to(db_url, engine, tmp_path) as made:
        yield made


def take(world: World, *, seconds: float) -> None:
    """How long the relay takes over each mail from now on."""
    world.server.behave()
    world.server.answer("content", "", delay=seconds)


def some(world: World, count: int) -> bool:
    return len(world.server.received) >= count


async def all_are_at_it(world: World, workers: list[Node]) -> None:
    """Nothing is due before everybody is there, and all is slow until each has a mail, or one of them sends it all."""
    await nodes.until(lambda: all("started" in node.said for node in workers), workers)
    take(world, seconds=2)
    await world.queue(after=DAY)
    await nodes.until(lambda: all("attempt" in node.said for node in workers), workers)
    take(world, seconds=0.3)


def all_have_it(world: World) -> bool:
    return set(world.server.recipients()) >= set(EVERYBODY)


async def all_is_recorded(world: World, patience: float = nodes.PATIENCE) -> None:
    """Each Batch is done: no reply is waited for, and what was on the wire of the dead is known to be in doubt."""
    async with asyncio.timeout(patience):
        while {row.state.value for row in await table.rows(world.parts.db, Batch)} != {"done"}:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert {row.state.value for row in await table.rows(world.parts.db, Delivery)} <= {"sent", "doubtful"}


async def check_all_have_it(world: World, *, repeated: int) -> None:
    """Doubt ends by sending again, minutes later."""
    world.now = datetime.now(UTC)
    await world.run(after=timedelta(minutes=5))
    assert {row.state.value for row in await table.rows(world.parts.db, Delivery)} == {"sent"}
    assert all_have_it(world)
    assert len(world.server.received) - READERS <= repeated


async def test_workers_do_the_sending_of_a_node_that_does_none(world: World, db_url: str) -> None:
    async with (
        nodes.running(world, db_url, DIGEST_ENGINE_PROCESSES="0") as serving,
        nodes.running(world, db_url, 2, nodes.WORKER) as workers,
    ):
        running = [*serving, *workers]
        await all_are_at_it(world, workers)
        await nodes.until(lambda: all_have_it(world), running)
        await all_is_recorded(world)
        async with httpx.AsyncClient() as client:
            ready = await client.get(f"{serving[0].url}/health/ready")
        assert (ready.status_code, ready.json()["reasons"]) == (200, [])
        assert [await node.end() for node in running] == [0, 0, 0]
        assert ["attempt" in node.said for node in running] == [False, True, True]
    assert Counter(world.server.recipients()) == Counter(EVERYBODY)


async def test_what_a_killed_worker_held_is_taken_over_soon(world: World, db_url: str) -> None:
    async with nodes.running(world, db_url, 2, nodes.WORKER) as workers:
        await all_are_at_it(world, workers)
        await workers[0].kill()
        world.server.behave()
        await all_is_recorded(world, RESUMED_SECONDS)
        assert await workers[1].end() == 0, workers[1].said
    await check_all_have_it(world, repeated=CONNECTIONS)


async def test_a_confirmation_does_not_wait_for_a_large_edition(world: World, db_url: str) -> None:
    await world.queue(after=DAY)
    await world.subscribe("eager@example.org", "weekly")
    [row] = await table.rows(world.parts.db, Subscription, id=(await world.subscription("eager@example.org")).id)
    async with nodes.running(world, db_url) as running:
        await nodes.until(lambda: some(world, 4), running)
        await table.change(world.parts.db, Subscription, row.id, notice_due="welcome")
        await nodes.until(lambda: "eager@example.org" in world.server.recipients(), running, patience=5)
        assert not all_have_it(world)


@pytest.fixture
def own_postgres() -> Iterator[postgres.Cluster]:
    """It keeps what it committed when it is killed, unlike the one other tests share."""
    with postgres.cluster("-c fsync=off -c listen_addresses=") as own:
        yield own


@pytest.mark.parametrize("kind", ["in-process", "procrastinate"])
async def test_workers_outlive_a_database_that_is_killed(
    own_postgres: postgres.Cluster, kind: str, tmp_path: Path
) -> None:
    db = database.connect(own_postgres.url)
    await schema.upgrade(db)
    await db.close()
    async with (
        readers_to_write_to(own_postgres.url, kind, tmp_path) as world,
        nodes.running(world, own_postgres.url, 2, nodes.WORKER) as workers,
    ):
        await all_are_at_it(world, workers)
        await asyncio.to_thread(own_postgres.crash)
        await asyncio.sleep(2)
        await asyncio.to_thread(own_postgres.start)
        world.server.behave()
        await all_is_recorded(world, RESUMED_SECONDS)
        assert [await node.end() for node in workers] == [0, 0], "".join(node.said for node in workers)
        # Both had all their lines in use when the database went.
        await check_all_have_it(world, repeated=2 * CONNECTIONS)


@pytest.mark.parametrize(("db_url", "engine"), [("sqlite", "in-process"), ("postgres", "procrastinate")], indirect=True)
class TestChildren:
    """`digest serve` with processes of its own."""

    @pytest.fixture
    async def serving(self, world: World, db_url: str) -> AsyncIterator[Node]:
        await world.queue(after=DAY)
        async with nodes.running(world, db_url, DIGEST_ENGINE_PROCESSES="2") as [node]:
            await nodes.until(lambda: some(world, 4), [node])
            yield node

    async def test_one_that_is_killed_is_replaced(self, world: World, serving: Node) -> None:
        before = serving.children()
        assert len(before) == 2
        os.kill(before[0], signal.SIGKILL)
        world.server.behave()
        await all_is_recorded(world, RESUMED_SECONDS)
        await nodes.until(lambda: len(set(serving.children()) - set(before)) == 1, [serving])
        assert await serving.end() == 0, serving.said
        await check_all_have_it(world, repeated=CONNECTIONS)

    async def test_they_end_with_it_and_lose_nothing(self, world: World, serving: Node) -> None:
        children = serving.children()
        assert await serving.end() == 0, serving.said
        assert not any(map(is_alive, children))
        states = {row.state.value for row in await table.rows(world.parts.db, Delivery)}
        assert states == {"sent", "queued"}
        assert len(world.server.received) == len(await table.rows(world.parts.db, Delivery, state="sent"))

    async def test_they_finish_when_it_dies_without_a_word(self, world: World, serving: Node) -> None:
        children = serving.children()
        await serving.kill()
        await nodes.until(lambda: not any(map(is_alive, children)), [serving])
        states = {row.state.value for row in await table.rows(world.parts.db, Delivery)}
        assert states == {"sent", "queued"}


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
