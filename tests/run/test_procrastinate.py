"""Procrastinate wakes, the lease decides: jobs come and go with Batches, and none that is lost is missed for long."""

import asyncio
import dataclasses
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import database, sql
from digest.outbox.models import Batch, Delivery
from digest.run import instance, procrastinate, pulse, wiring
from tests.support import table, world as worlds

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize(("db_url", "engine"), [("postgres", "procrastinate")], indirect=True),
]
DAY = timedelta(days=1)


@pytest.fixture
async def world(db_url, engine, tmp_path, now, anyio_backend):
    async with worlds.a_world(db_url, tmp_path, now, engine=engine) as made:
        yield made


@pytest.fixture
def engine_at_work(world):
    return world.parts.engine


async def jobs(world):
    """Queue, priority and status of each, by Batch."""
    statement = "SELECT queue_name, priority, status::text, args FROM procrastinate_jobs WHERE task_name = 'send'"
    async with world.parts.db.reading() as connection:
        rows = (await connection.execute(sa.text(statement))).all()
    return {args["batch_id"]: (queue, priority, status) for queue, priority, status, args in rows}


async def execute(world, statement):
    async with world.parts.db.transaction() as connection:
        await connection.execute(sa.text(statement))


async def batches(world, *priorities, submit=True):
    async with world.parts.db.transaction() as connection:
        new = sa.insert(Batch).returning(Batch.id, sort_by_parameter_order=True)
        rows = await connection.execute(new, [{"priority": priority} for priority in priorities])
        ids = list(rows.scalars())
        if submit:
            await world.parts.engine.submit(connection, ids)
    return ids


async def work_off(world):
    """Let the engine work until no job is left. One that `reconcile` made in vain may outlive its Batch."""
    working = asyncio.create_task(world.parts.engine.run(world.parts.shift(world.sender, pulse.Pulse())))
    async with asyncio.timeout(20):
        while await jobs(world):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    world.sender.stopping.set()
    await working
    world.sender.stopping.clear()


async def an_edition(world, readers=3):
    for number in range(readers):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one")
    await world.queue(after=DAY)


async def test_jobs_go_with_the_urgency_of_their_batches_and_notices_apart(world):
    notice, edition, again = await batches(world, 0, 10, 20)
    assert await jobs(world) == {
        notice: ("notices", 0, "todo"),
        edition: ("batches", -10, "todo"),
        again: ("batches", -20, "todo"),
    }


async def test_a_job_is_there_if_and_only_if_its_batch_is(world):
    async with world.parts.db.transaction() as connection:
        made = await connection.execute(sa.insert(Batch).values(priority=10).returning(Batch.id))
        await world.parts.engine.submit(connection, [made.scalar_one()])
        await connection.rollback()
    assert await jobs(world) == {}
    assert await table.rows(world.parts.db, Batch) == []


async def test_every_pass_that_makes_batches_makes_jobs(world):
    await an_edition(world)
    await table.change(world.parts.db, worlds.audience.Subscription, 1, notice_due="welcome")
    await world.queue()
    assert sorted(queue for queue, _, _ in (await jobs(world)).values()) == ["batches", "notices"]


async def test_what_is_sent_leaves_no_job_behind(world):
    await an_edition(world)
    await world.work()
    assert len(world.server.received) == 3
    await work_off(world)


async def test_a_job_whose_batch_is_done_or_held_does_nothing(world):
    await an_edition(world)
    [batch] = await table.rows(world.parts.db, Batch)
    await world.work()
    await execute(world, "DELETE FROM procrastinate_jobs")
    held = await table.add(world.parts.db, Batch, state="running", lease_until=sql.clock_after(60))
    async with world.parts.db.transaction() as connection:
        await world.parts.engine.submit(connection, [batch.id, held])
    await work_off(world)
    assert len(world.server.received) == 3
    assert (await table.row(world.parts.db, Batch, id=held)).state == "running"


async def test_reconcile_makes_jobs_for_due_batches_that_have_none(world, engine_at_work):
    has_job, has_none, is_held, is_expired, is_done = await batches(world, 10, 10, 10, 10, 10)
    db = world.parts.db
    await execute(world, f"DELETE FROM procrastinate_jobs WHERE queueing_lock <> 'batch:{has_job}'")
    for id_, seconds in ((is_held, 10), (is_expired, -1)):
        await table.change(db, Batch, id_, state="running", lease_until=sql.clock_after(seconds))
    await table.change(db, Batch, is_done, state="done")
    assert await engine_at_work.reconcile() == 2
    assert set(await jobs(world)) == {has_job, has_none, is_expired}
    assert await engine_at_work.reconcile() == 0
    await execute(world, "DELETE FROM procrastinate_jobs")
    assert await engine_at_work.reconcile(but={has_none}) == 2


async def test_many_nodes_may_reconcile_at_once(world, engine_at_work):
    ids = await batches(world, *[10] * 20, submit=False)
    counts = await asyncio.gather(*(engine_at_work.reconcile() for _ in range(6)))
    assert sum(counts) >= 20
    assert sorted(await jobs(world)) == ids


async def test_lost_jobs_are_missed_for_seconds_only(world):
    """As after a worker's death: it had taken the job, and its lease ran out."""
    await an_edition(world)
    await execute(world, "UPDATE procrastinate_jobs SET status = 'doing'")
    [batch] = await table.rows(world.parts.db, Batch)
    await table.change(world.parts.db, Batch, batch.id, state="running", owner="gone", lease_until=world.now)
    async with asyncio.timeout(3 * procrastinate.RECONCILE_SECONDS):
        await world.work()
    assert len(world.server.received) == 3


async def test_the_dead_and_their_jobs_are_swept_away_and_the_living_are_not(world, engine_at_work):
    dead, living = await batches(world, 10, 10)
    old = "now() - interval '1 hour'"
    await execute(world, f"INSERT INTO procrastinate_workers (last_heartbeat) VALUES ({old}), (now())")
    for worker, batch in ((1, dead), (2, living)):
        change = f"SET status = 'doing', worker_id = {worker} WHERE queueing_lock = 'batch:{batch}'"
        await execute(world, f"UPDATE procrastinate_jobs {change}")
    async with engine_at_work._app.open_async():
        await engine_at_work.sweep()
    assert set(await jobs(world)) == {living}
    async with world.parts.db.reading() as connection:
        assert list((await connection.execute(sa.text("SELECT id FROM procrastinate_workers"))).scalars()) == [2]


async def test_a_copy_keeps_its_jobs_and_mails_nothing(world):
    await an_edition(world)
    await instance.adopt(world.parts.db, "another")
    shift = world.parts.shift(world.sender, pulse.Pulse())
    working = asyncio.create_task(world.parts.engine.run(shift))
    async with asyncio.timeout(10):
        while "digest adopt" not in shift.pulse.failures.get("send", ""):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        assert (len(world.server.received), len(await jobs(world))) == (0, 1)
        # It has not ended: once adopted it goes on by itself.
        await instance.adopt(world.parts.db, "test")
        while len(world.server.received) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    world.sender.stopping.set()
    await asyncio.wait_for(working, 10)


async def test_asked_to_stop_it_finishes_its_mails_and_leaves_the_rest_to_others(world):
    await an_edition(world, readers=12)
    world.server.answer("content", "", delay=0.3)
    working = asyncio.create_task(world.parts.engine.run(world.parts.shift(world.sender, pulse.Pulse())))
    async with asyncio.timeout(20):
        while not world.server.received:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    world.sender.stopping.set()
    await asyncio.wait_for(working, 10)
    states = [row.state.value for row in await table.rows(world.parts.db, Delivery)]
    assert states.count("sent") == len(world.server.received) == 12 - states.count("queued")
    # A job for the rest waits already.
    [batch] = await table.rows(world.parts.db, Batch)
    assert batch.state == "queued"
    assert await jobs(world) == {batch.id: ("batches", -10, "todo")}


async def test_slow_replies_hold_up_no_other_batch(world):
    """The worker takes one job at a time, and each ends when nothing is left to hand over."""
    filler = dataclasses.replace(world.parts.filler, batch_size=1)
    world.parts = dataclasses.replace(world.parts, filler=filler)
    await an_edition(world, readers=2)
    world.server.answer("content", "", address="r0@example.org", delay=3)
    working = asyncio.create_task(world.work())
    async with asyncio.timeout(20):
        while "sent" not in (states := await table.column(world.parts.db, Delivery.state)):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert states == ["sending", "sent"]
    await working


async def test_sqlite_is_refused_with_the_way_out(world, tmp_path):
    db = database.connect(f"sqlite:///{tmp_path}/x.db")
    with pytest.raises(wiring.EngineError, match=r"needs PostgreSQL.*in-process"):
        wiring.engine_of(world.parts.settings, db)
    await db.close()
