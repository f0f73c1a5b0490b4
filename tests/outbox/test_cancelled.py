"""Paused or cancelled in the middle of being sent: what left is sent, what did not waits or rolls on, at once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from digest.editions import held
from digest.editions.models import Edition
from digest.outbox import batch, cancelled, lease
from digest.outbox.models import Batch, BatchState, Delivery
from tests.support import table

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
PAST = datetime(2000, 1, 1, tzinfo=UTC)


async def queue_for(world, count):
    """One Batch of so many mails; the id of its Edition."""
    for number in range(count):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one", "heart")
    await world.queue(after=DAY)
    return (await table.row(world.parts.db, Edition)).id


async def states(world):
    return Counter(row.state.value for row in await table.rows(world.parts.db, Delivery))


async def under_way(world, count):
    async with asyncio.timeout(20):
        while (await states(world))["sending"] < count:  # noqa: ASYNC110 - it is the database that tells
            await asyncio.sleep(0.01)


async def tell(world, verb, edition_id):
    async with world.parts.db.transaction() as connection:
        return await verb(connection, edition_id, world.now)


async def begin_sending(world):
    """Three of six mails on the wire (the fourth line is for the urgent), their answers slow."""
    edition_id = await queue_for(world, 6)
    world.server.answer("content", "", delay=0.3)
    work = asyncio.create_task(world.send())
    await under_way(world, 3)
    return edition_id, work


async def test_a_paused_edition_is_passed_over_until_it_is_resumed(world):
    edition_id = await queue_for(world, 3)
    id_ = (await table.row(world.parts.db, Batch)).id
    await tell(world, held.pause, edition_id)
    assert await lease.find_due(world.parts.db) is None
    assert await batch.run_batch(world.sender, id_) == {}
    await world.run(after=timedelta(hours=3))
    assert await states(world) == {"queued": 3}
    await tell(world, held.resume, edition_id)
    assert await world.send() == {"sent": 3}


async def test_a_batch_under_way_ends_what_is_on_the_wire_and_gives_the_rest_back(world):
    edition_id, work = await begin_sending(world)
    await tell(world, held.pause, edition_id)
    assert await work == {"sent": 3}
    assert await states(world) == {"sent": 3, "queued": 3}
    row = await table.row(world.parts.db, Batch)
    assert (row.state, row.owner) == (BatchState.QUEUED, None)
    await tell(world, held.resume, edition_id)
    await world.run()
    assert sorted(world.server.recipients()) == [f"r{number}@example.org" for number in range(6)]


async def test_what_a_vanished_worker_was_sending_becomes_doubt_also_while_its_edition_is_paused(world):
    edition_id = await queue_for(world, 3)
    first, *_ = await table.rows(world.parts.db, Delivery)
    await table.change(world.parts.db, Delivery, first.id, state="sending")
    await table.change(world.parts.db, Batch, state="running", owner="gone", lease_until=PAST)
    await tell(world, held.pause, edition_id)
    await world.run()
    assert await states(world) == {"doubtful": 1, "queued": 2}
    assert (await table.row(world.parts.db, Batch, ordinal=0)).state is BatchState.QUEUED


async def test_notices_do_not_care_for_pauses(world):
    await tell(world, held.pause, await queue_for(world, 1))
    notice = await table.add(world.parts.db, Batch, priority=0)
    assert await lease.find_due(world.parts.db) == notice


async def test_cancelled_while_it_is_sent_the_rest_rolls_on_and_comes_with_the_next(world):
    edition_id, work = await begin_sending(world)
    await tell(world, held.cancel, edition_id)
    # Those that a hand-over is just looking at are left to it.
    rolled = await cancelled.roll(world.parts.db, edition_id, world.now)
    counts = await work
    assert counts["sent"] == 3
    assert rolled + counts["rolled"] == 3
    assert await states(world) == {"sent": 3, "rolled": 3}
    assert (await table.row(world.parts.db, Batch)).state is BatchState.DONE
    await world.run(after=DAY)
    assert sorted(world.server.recipients()) == [f"r{number}@example.org" for number in range(6)]


async def test_cancelling_closes_in_slices_what_nobody_has_begun(world, monkeypatch):
    monkeypatch.setattr(cancelled, "SLICE", 2)
    edition_id = await queue_for(world, 5)
    first, second, *_ = await table.rows(world.parts.db, Delivery)
    await table.change(world.parts.db, Delivery, first.id, state="deferred", batch_id=None, retry_at=world.now)
    await table.change(world.parts.db, Delivery, second.id, state="doubtful", batch_id=None)
    await tell(world, held.cancel, edition_id)
    assert await cancelled.roll(world.parts.db, edition_id, world.now) == 4
    assert await cancelled.roll(world.parts.db, edition_id, world.now) == 0
    assert await states(world) == {"rolled": 4, "doubtful": 1}
    assert (await table.row(world.parts.db, Batch)).state is BatchState.DONE
    row = await table.row(world.parts.db, Delivery, id=first.id)
    assert (row.retry_at, row.finished_at) == (None, world.now)
