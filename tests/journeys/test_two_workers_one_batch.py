"""Many nodes plan, fill and send the same at the same moment: each reader gets each digest once."""

import asyncio
import dataclasses
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest import database
from digest.articles import release
from digest.editions import contents, plan
from digest.editions.models import Edition
from digest.outbox import batch, crew, fill
from digest.outbox.models import Batch, Delivery
from digest.run import engine as engines, pulse, wiring
from tests.support import shifts, table, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
NODES, READERS, DAY = 3, 10, timedelta(days=1)


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, engine=engine) as made:
        yield made


@pytest.fixture
async def senders(world: World, db_url: str) -> AsyncIterator[list[crew.Sender]]:
    """Each node with a database connection and a memory of its own; they share the relay."""
    databases = [database.connect(db_url, pool_size=3) for _ in range(NODES)]
    desks = [
        dataclasses.replace(world.parts.desk, shelves=contents.Shelves(), topics=contents.Topics()) for _ in databases
    ]
    yield [
        dataclasses.replace(world.sender, db=db, desk=desk, stopping=asyncio.Event())
        for db, desk in zip(databases, desks, strict=True)
    ]
    for db in databases:
        await db.close()


async def test_many_workers_on_one_batch_send_each_mail_once(world: World, senders: list[crew.Sender]) -> None:
    for number in range(READERS):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one")
    await world.queue(after=DAY)
    [row] = await table.rows(world.parts.db, Batch)
    counts = await asyncio.gather(*(batch.run_batch(sender, row.id) for sender in senders))
    assert [count for count in counts if count] == [{"sent": READERS}]
    assert Counter(world.server.recipients()) == Counter(f"r{number}@example.org" for number in range(READERS))


async def test_many_nodes_doing_everything_at_once_agree(world: World, senders: list[crew.Sender]) -> None:
    readers = [f"r{number}@example.org" for number in range(READERS)]
    for number, reader in enumerate(readers):
        await world.subscribe(reader, "daily", timezone=("Europe/Berlin", "Europe/Paris")[number % 2])
    for day in range(3):
        await world.publish(f"day-{day}")
        world.now += DAY
        await asyncio.gather(*(everything(world, sender) for sender in senders))
        # A node that came last may have left a wish to look again, a moment later.
        await world.run(after=timedelta(minutes=1))
    got = Counter(world.server.recipients())
    assert got == Counter(readers * 3)
    assert all(world.told(reader) == [("day-0",), ("day-1",), ("day-2",)] for reader in readers)
    assert len(await table.rows(world.parts.db, Edition)) == 6
    assert len(await table.rows(world.parts.db, Delivery)) == READERS * 3


async def everything(world: World, sender: crew.Sender) -> None:
    driver = wiring.engine_of(world.parts.settings, sender.db)
    filler = fill.Filler(sender.desk.shelves, sender.desk.topics, batch_size=2, slice_size=3, submit=driver.submit)
    await release.run(sender.db, world.now)
    await plan.run(sender.db, plan.Policy(), world.now)
    shift = engines.Shift(sender, world.parts.fence, pulse.Pulse())
    while (await fill.run(sender.db, filler, world.now)).more:
        await shifts.work(driver, shift)
    await shifts.work(driver, shift)
    assert shift.pulse.failures == {}
