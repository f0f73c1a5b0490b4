"""One Batch, one worker; and whatever ends the work, what was said of each mail is written down."""

import asyncio
import dataclasses
import email
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import OperationalError
from structlog import testing

from digest import database
from digest.audience.models import Subscriber, Subscription
from digest.editions.models import Edition
from digest.outbox import batch, handing, lease, record, writer
from digest.outbox.models import Batch, BatchState, Delivery
from digest.run import inprocess
from tests.support import smtpserver, table

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
PAST, FUTURE = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


async def queue_for(world, count):
    """One Batch of so many mails of one variant; its id."""
    for number in range(count):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one", "heart")
    await world.queue(after=DAY)
    return (await table.row(world.parts.db, Batch)).id


async def under_way(world, count):
    """Wait until so many mails are on the wire."""
    async with asyncio.timeout(20):
        while (await states(world))["sending"] < count:  # noqa: ASYNC110 - it is the database that tells
            await asyncio.sleep(0.01)


async def states(world):
    return Counter(row.state.value for row in await table.rows(world.parts.db, Delivery))


def message_ids(world):
    return [email.message_from_bytes(mail.content)["Message-ID"] for mail in world.server.received]


async def test_a_batch_goes_out_over_all_connections_and_is_done(world):
    id_ = await queue_for(world, 9)
    assert await batch.run_batch(world.sender, id_) == {"sent": 9}
    assert sorted(world.server.recipients()) == [f"r{number}@example.org" for number in range(9)]
    assert world.server.most_at_once == 4
    row = await table.row(world.parts.db, Batch)
    assert (row.state, row.owner, row.tries) == (BatchState.DONE, None, 1)
    assert set(await table.column(world.parts.db, Subscription.covered_to)) == {1}
    assert await batch.run_batch(world.sender, id_) == {}


async def test_a_batch_under_way_is_nobody_elses_whatever_a_virtual_clock_says(world):
    id_ = await queue_for(world, 2)
    await table.change(world.parts.db, Batch, state="running", owner="another", lease_until=FUTURE)
    world.now += timedelta(days=365)
    assert await lease.find_due(world.parts.db) is None
    assert await batch.run_batch(world.sender, id_) == {}
    assert (await table.row(world.parts.db, Batch)).owner == "another"


async def test_what_a_vanished_worker_was_sending_goes_out_again_as_the_same_mail(world):
    id_ = await queue_for(world, 3)
    await batch.run_batch(world.sender, id_)
    before = message_ids(world)
    first, *_ = await table.rows(world.parts.db, Delivery)
    # As if the worker had died after the final dot of the first, and before writing it down.
    await table.change(world.parts.db, Delivery, first.id, state="sending", finished_at=None)
    await table.change(world.parts.db, Batch, state="running", owner="gone", lease_until=PAST)
    await table.change(world.parts.db, Subscription, first.subscription_id, covered_to=0)
    with testing.capture_logs() as logs:
        await world.run()
    assert len(message_ids(world)) == 3  # it gets a moment to say what it knows
    await world.run(after=2 * record.GRACE)
    assert [entry["doubtful"] for entry in logs if entry["event"] == "batch_taken_over"] == [1]
    again = message_ids(world)[len(before) :]
    assert len(again) == 1
    assert again[0] in before
    assert await states(world) == {"sent": 3}


async def test_a_worker_that_lost_its_lease_hands_nothing_over_and_still_records(world):
    id_ = await queue_for(world, 6)
    world.server.answer("content", "", delay=0.3)
    work = asyncio.create_task(batch.run_batch(world.sender, id_))
    await under_way(world, 3)
    await table.change(world.parts.db, Batch, owner="another", lease_until=FUTURE)
    assert await work == {"sent": 3}
    assert await states(world) == {"sent": 3, "queued": 3}
    row = await table.row(world.parts.db, Batch)
    assert (row.state, row.owner) == (BatchState.RUNNING, "another")


async def test_asked_to_stop_it_finishes_what_is_on_the_wire_and_gives_the_rest_back(world):
    id_ = await queue_for(world, 6)
    world.server.answer("content", "", delay=0.2)
    work = asyncio.create_task(batch.run_batch(world.sender, id_))
    await under_way(world, 3)
    world.sender.stopping.set()
    assert await work == {"sent": 3}
    assert await states(world) == {"sent": 3, "queued": 3}
    row = await table.row(world.parts.db, Batch)
    assert (row.state, row.owner, row.lease_until) == (BatchState.QUEUED, None, None)
    world.sender.stopping.clear()
    assert await world.send() == {"sent": 3}
    assert len(set(world.server.recipients())) == len(world.server.received) == 6


async def test_results_outlive_a_database_that_is_away_for_a_moment(world, monkeypatch):
    id_ = await queue_for(world, 6)
    original, failures = record.results, [2]

    async def failing_twice(connection, settled, *rest):
        if settled and failures[0]:
            failures[0] -= 1
            raise OperationalError("COMMIT", {}, Exception("gone"))
        return await original(connection, settled, *rest)

    monkeypatch.setattr(record, "results", failing_twice)
    assert await batch.run_batch(world.sender, id_) == {"sent": 6}
    assert await states(world) == {"sent": 6}
    assert len(world.server.received) == 6


async def test_renewing_goes_on_after_a_failure(world, monkeypatch):
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.02)
    original, calls, again = lease.extend, [], asyncio.Event()

    async def failing_once(connection, batch_id, owner):
        calls.append(batch_id)
        if len(calls) == 1:
            raise OperationalError("UPDATE", {}, Exception("locked"))
        again.set()
        return await original(connection, batch_id, owner)

    monkeypatch.setattr(lease, "extend", failing_once)
    async with lease.renewed(world.parts.db, 1, "us"):
        await asyncio.wait_for(again.wait(), 10)


async def test_one_mail_that_brings_out_a_bug_stops_no_other(world, monkeypatch):
    await queue_for(world, 5)
    original = writer.Writer.letter

    def broken_for_one(self, ready, row, now):
        if row.email == "r2@example.org":
            raise ZeroDivisionError
        return original(self, ready, row, now)

    monkeypatch.setattr(writer.Writer, "letter", broken_for_one)
    with testing.capture_logs() as logs:
        assert await world.send() == {"sent": 4, "deferred": 1}
    assert [entry["event"] for entry in logs if entry["log_level"] == "error"] == ["mail_failed"]
    [row] = await table.rows(world.parts.db, Delivery, state="deferred")
    assert "ZeroDivisionError" in row.reason
    monkeypatch.undo()
    await world.run(after=timedelta(hours=1))
    assert await states(world) == {"sent": 5}


async def test_content_that_cannot_leave_in_time_is_given_back_and_leaves_once(world, monkeypatch):
    id_ = await queue_for(world, 3)
    original, turns = handing.freeze, []

    async def noting(connection, scene, leaving, now):
        turns.append(len(leaving))
        # As if the first commit had taken an hour.
        monkeypatch.setattr(batch, "FRESH_SECONDS", -1.0 if len(turns) == 1 else 60.0)
        return await original(connection, scene, leaving, now)

    monkeypatch.setattr(handing, "freeze", noting)
    assert await batch.run_batch(world.sender, id_) == {"sent": 3}
    assert sum(turns) > 3
    assert sorted(world.server.recipients()) == [f"r{number}@example.org" for number in range(3)]
    assert {row.tries for row in await table.rows(world.parts.db, Delivery)} == {1}


async def test_a_row_that_is_no_mail_is_set_aside(world):
    await queue_for(world, 3)
    [row] = await table.rows(world.parts.db, Subscriber, key="r1@example.org")
    await table.change(world.parts.db, Subscriber, row.id, email="not an address")
    assert await world.send() == {"sent": 2, "failed": 1}


async def test_readers_of_many_variants_all_get_theirs(world, monkeypatch):
    """However few variants are remembered, what was prepared for a round is there in the next."""
    monkeypatch.setattr(writer, "KEPT", 1)
    for number in range(6):
        await world.subscribe(f"r{number}@example.org", "daily")
        await world.publish(f"a{number}")
        await world.release()
    await world.queue(after=DAY)
    for number, row in enumerate(await table.rows(world.parts.db, Subscription)):
        await table.change(world.parts.db, Subscription, row.id, covered_to=number)
    id_ = (await table.row(world.parts.db, Batch)).id
    counts = await asyncio.wait_for(batch.run_batch(world.sender, id_), 20)
    assert counts == {"sent": 6}


class TestReplies:
    async def reply(self, world, stage, reply, times=10**9):
        await queue_for(world, 1)
        world.server.answer(stage, reply, times=times)
        await world.send()
        return await table.row(world.parts.db, Delivery)

    async def test_deferred_is_tried_again_and_chosen_anew_up_to_the_editions_own_end(self, world):
        """What is published between the tries is not lost: it comes with the next Edition."""
        row = await self.reply(world, "rcpt", "451 4.3.0 later", times=1)
        assert (row.state.value, row.code) == ("deferred", 451)
        await world.publish("two")
        await world.run(after=timedelta(hours=1))
        assert world.told("r0@example.org") == [("one",)]
        await world.run(after=DAY)
        assert world.told("r0@example.org") == [("one",), ("two",)]

    async def test_retries_end_at_the_next_edition_and_roll(self, world):
        row = await self.reply(world, "rcpt", "451 4.3.0 later")
        due = (await table.row(world.parts.db, Delivery)).retry_at
        for _ in range(12):
            if row.state.value != "deferred":
                break
            await world.queue(after=due - world.now)
            await world.run()
            row = (await table.rows(world.parts.db, Delivery))[0]
            due = row.retry_at or due
        assert row.state.value == "rolled"
        assert world.now <= (await table.rows(world.parts.db, Edition))[0].due_at + DAY
        world.server.behave()
        await world.publish("two")
        await world.run(after=2 * DAY)
        assert [set(names) for names in world.told("r0@example.org")] == [{"one", "two"}]

    async def test_a_refusal_moves_nothing_and_its_articles_come_with_the_next(self, world):
        row = await self.reply(world, "content", "554 5.6.0 we do not like it", times=1)
        assert row.state.value == "failed"
        assert (await world.subscription("r0@example.org")).covered_to == 0
        await world.run(after=DAY)
        assert world.told("r0@example.org") == [("one",)]

    async def test_in_doubt_the_same_mail_is_sent_again_even_after_the_next_edition_is_there(self, world):
        await self.reply(world, "content", smtpserver.DROP_AFTER_KEEPING, times=1)
        await world.publish("two")
        await world.run(after=DAY)
        await world.run(after=timedelta(minutes=2))
        ids = message_ids(world)
        assert ids[0] == ids[1] != ids[2]
        assert world.told("r0@example.org") == [("one",), ("one",), ("two",)]

    async def test_in_doubt_a_temporary_refusal_does_not_roll_it_either(self, world):
        await self.reply(world, "content", smtpserver.DROP_AFTER_KEEPING, times=1)
        world.server.answer("rcpt", "451 4.3.0 later", times=2)
        await world.run(after=timedelta(hours=23))  # half an hour later the next one is due
        assert (await table.row(world.parts.db, Delivery)).state.value == "doubtful"
        for hours in (2, 4, 1):
            await world.run(after=timedelta(hours=hours))
        assert len(set(message_ids(world))) == 1
        assert await states(world) == {"sent": 1, "empty": 1}

    async def test_out_of_tries_doubt_rolls_on(self, world):
        await self.reply(world, "content", smtpserver.DROP)
        for _ in range(6):
            await world.run(after=timedelta(hours=1))
        row = await table.row(world.parts.db, Delivery)
        assert (row.state.value, row.doubts, row.retry_at) == ("doubtful", 3, None)
        world.server.behave()
        await world.run(after=DAY)
        await world.run(after=timedelta(minutes=2))
        assert world.told("r0@example.org") == [("one",)]
        assert await states(world) == {"rolled": 1, "sent": 1}


async def test_many_workers_share_the_batches_and_nobody_gets_two(world, db_url):
    for number in range(12):
        await world.subscribe(f"r{number}@example.org", "daily")
    await world.publish("one")
    world.parts = dataclasses.replace(world.parts, filler=dataclasses.replace(world.parts.filler, batch_size=3))
    await world.queue(after=DAY)
    assert len(await table.rows(world.parts.db, Batch)) == 4
    nodes = [database.connect(db_url, pool_size=3) for _ in range(3)]
    senders = [dataclasses.replace(world.sender, db=node) for node in nodes]
    counts = await asyncio.gather(*(inprocess.drain(sender, {}) for sender in senders))
    assert sum(counts, Counter()) == {"sent": 12}
    assert len(set(world.server.recipients())) == len(world.server.received) == 12
    for node in nodes:
        await node.close()
