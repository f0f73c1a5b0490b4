"""All that is due, once, in the order an Article takes; what fails is said and stops nothing else."""

import asyncio
from datetime import timedelta

import pytest

from digest import errors
from digest.articles import poll
from digest.audience.models import Subscription
from digest.editions import plan
from digest.editions.models import Edition
from digest.outbox import notices
from digest.outbox.models import Batch, Delivery
from digest.run import passes
from tests.support import table

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


class MistakeError(errors.DigestError):
    pass


async def breaks(*_, **__):
    raise ZeroDivisionError("by zero")


async def is_mistaken(*_, **__):
    raise MistakeError("mend this")


@pytest.fixture
async def due(world):
    """One reader, one Article, and time for a digest."""
    await world.subscribe("anna@example.org", "daily")
    await world.publish("one")
    world.now += DAY
    return world


async def test_from_article_to_inbox_in_one_run(due):
    report = await due.run()
    assert len(report.editions) == 1
    assert +report.deliveries == {"sent": 1}
    again = await due.run()
    assert (again.editions, +again.deliveries) == ([], {})
    document = await passes.as_document(due.parts, report)
    [edition] = document["editions"]
    assert (edition["publication"], edition["frequency"], edition["slot"]) == ("mias-feed", "daily", "2026-11-03")
    assert document["deliveries"] == dict.fromkeys(passes.STATES, 0) | {"sent": 1}
    assert document["next_due_at"] == "2026-11-04T06:00:00+00:00"


@pytest.mark.parametrize(
    ("part", "fault", "failure"),
    [
        (poll, breaks, "ingest: ZeroDivisionError: by zero"),
        (poll, is_mistaken, "ingest: mend this"),
        (notices, breaks, "notices: ZeroDivisionError: by zero"),
    ],
)
async def test_a_pass_that_fails_is_named_and_the_mail_goes_out(due, monkeypatch, part, fault, failure):
    monkeypatch.setattr(part, "run", fault)
    report = await passes.run_due(due.parts, due.now, due.sender)
    assert report.failures == [failure]
    assert +report.deliveries == {"sent": 1}


async def test_what_is_queued_is_sent_even_if_planning_fails(due, monkeypatch):
    await due.queue()
    monkeypatch.setattr(plan, "run", breaks)
    report = await passes.run_due(due.parts, due.now, due.sender)
    assert report.failures == ["plan: ZeroDivisionError: by zero"]
    assert +report.deliveries == {"sent": 1}


async def test_asked_to_stop_everything_is_planned_and_nothing_handed_over(due):
    due.sender.stopping.set()
    report = await passes.run_due(due.parts, due.now, due.sender)
    assert report.failures == []
    assert due.server.received == []
    assert await table.rows(due.parts.db, Delivery) == []
    due.sender.stopping.clear()
    assert +(await due.run()).deliveries == {"sent": 1}


async def test_readers_for_whom_nothing_matches_are_counted(world):
    await world.subscribe("heart@example.org", "daily", topics=("heart",))
    await world.publish("lungs", "lungs")
    report = await world.run(after=DAY)
    assert +report.deliveries == {"empty": 1}
    assert await table.rows(world.parts.db, Batch) == []


async def test_a_virtual_now_far_ahead_leaves_the_leases_of_others_alone(due):
    await due.queue()
    [batch] = await table.rows(due.parts.db, Batch)
    lease_until = due.now.replace(year=2099)
    await table.change(due.parts.db, Batch, batch.id, state="running", owner="another", lease_until=lease_until)
    due.now = due.now.replace(year=2098)
    report = await passes.run_due(due.parts, due.now, due.sender)
    assert +report.deliveries == {"sent": 1}  # the catch-up Edition, over a Batch of its own
    row = await table.row(due.parts.db, Batch, id=batch.id)
    assert (row.owner, row.lease_until) == ("another", lease_until)


async def test_a_relay_that_is_down_is_named_and_loses_nothing(due):
    due.server.answer("mail", "421 4.3.2 not now")
    report = await passes.run_due(due.parts, due.now, due.sender)
    assert "the relay cannot take mail: 4.3.2 not now" in report.failures[0]
    due.server.behave()
    due.now += timedelta(hours=2)
    while not due.told("anna@example.org"):
        # It rests for a moment before it is tried again.
        await asyncio.sleep(0.2)
        await passes.run_due(due.parts, due.now, due.sender)
        due._read_mails()
    assert due.told("anna@example.org") == [("one",)]
    assert (await table.row(due.parts.db, Subscription)).covered_to == 1
    await due.run()
    assert (await table.row(due.parts.db, Edition)).state.value == "finished"
