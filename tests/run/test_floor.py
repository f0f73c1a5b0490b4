"""Batches at work side by side: the next begins when there is nothing left to hand over, and the urgent at once."""

import asyncio
from collections import Counter

import pytest
from structlog import testing

from digest import errors
from digest.outbox import batch, crew
from digest.run import floor, pulse

pytestmark = pytest.mark.anyio


class Sending:
    """Stands for `run_batch`: the test says when a Batch has nothing more to hand over, and when and how it ends."""

    def __init__(self):
        self.exhausted, self.ends = {}, {}

    async def run(self, _sender, batch_id, exhausted):
        self.exhausted[batch_id] = exhausted
        self.ends[batch_id] = asyncio.get_running_loop().create_future()
        return await self.ends[batch_id]


@pytest.fixture
def sending(monkeypatch):
    made = Sending()
    monkeypatch.setattr(batch, "run_batch", made.run)
    return made


async def begun(here, sending, batch_id, **kind):
    here.begin(batch_id, **kind)
    while batch_id not in sending.ends:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def ended(here, sending, batch_id, how=None):
    if isinstance(how, Exception):
        sending.ends[batch_id].set_exception(how)
    else:
        sending.ends[batch_id].set_result(Counter(how or {}))
    while batch_id in here._running:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_the_next_begins_when_the_last_has_nothing_more_to_hand_over(sending):
    here = floor.Floor(None)
    await begun(here, sending, 1)
    assert not here.has_room()
    sending.exhausted[1].set()
    await asyncio.wait_for(here.changed(), 5)
    assert here.has_room()
    assert here.not_now == {1}


async def test_a_batch_that_runs_is_not_begun_once_more(sending):
    here = floor.Floor(None)
    await begun(here, sending, 1)
    run = here._running[1].work
    assert here.begin(1) is sending.exhausted[1]
    await ended(here, sending, 1, {"sent": 3})
    await asyncio.wait_for(run, 5)
    assert (here.counts, here.is_empty) == ({"sent": 3}, True)


async def test_only_so_many_wait_for_their_last_replies(sending):
    here = floor.Floor(None)
    for number in range(floor.AT_ONCE):
        await begun(here, sending, number)
        sending.exhausted[number].set()
    assert not here.has_room()
    await ended(here, sending, 3, {"sent": 7})
    assert here.has_room()
    assert here.counts == {"sent": 7}


async def test_notices_begin_beside_whatever_runs(sending):
    here = floor.Floor(None)
    await begun(here, sending, 1)
    for number in range(2, 2 + floor.URGENT_AT_ONCE):
        assert here.has_room(urgent=True)
        await begun(here, sending, number, urgent=True)
    assert not here.has_room(urgent=True)
    sending.exhausted[1].set()
    assert here.has_room()


async def test_what_breaks_rests_is_shown_and_is_forgotten_once_it_ends_well(sending, monkeypatch):
    monkeypatch.setattr(floor, "REST_SECONDS", 0.05)
    here, shown = floor.Floor(None), pulse.Pulse()
    await begun(here, sending, 1)
    with testing.capture_logs():
        await ended(here, sending, 1, ZeroDivisionError())
    here.report(shown)
    assert shown.failures == {"batches": "batch 1: ZeroDivisionError"}
    assert (here.not_now, here.has_room()) == ({1}, True)
    await asyncio.sleep(0.06)
    assert here.not_now == set()
    del sending.ends[1]
    await begun(here, sending, 1)
    await ended(here, sending, 1)
    here.report(shown)
    assert shown.failures == {}


async def test_what_somebody_else_sent_is_broken_no_more(sending):
    here = floor.Floor(None, {1: "a mistake"}, rest=0)
    here.nothing_is_due()
    assert here.broken == {}
    resting = floor.Floor(None, {1: "a mistake"}, rest=60)
    resting.nothing_is_due()
    assert resting.broken == {1: "a mistake"}


@pytest.mark.parametrize("fault", [crew.RelayError("nobody answers"), ConnectionRefusedError()])
async def test_no_batch_is_to_blame_for_a_relay_or_database_that_is_away(sending, monkeypatch, fault):
    monkeypatch.setattr(floor, "RELAY_SECONDS", 0.05)
    monkeypatch.setattr(floor, "DATABASE_SECONDS", 0.05)
    here, shown = floor.Floor(None), pulse.Pulse()
    await begun(here, sending, 1)
    with testing.capture_logs():
        await ended(here, sending, 1, fault)
    assert (here.not_now, here.has_room(), here.has_room(urgent=True)) == (set(), False, False)
    here.nothing_is_due()
    here.report(shown)
    assert bool(shown.failures) == isinstance(fault, errors.DigestError)
    await asyncio.sleep(0.06)
    assert here.has_room()
    here.nothing_is_due()
    here.report(shown)
    assert shown.failures == {}


async def test_it_is_empty_when_all_has_ended(sending):
    here = floor.Floor(None)
    await begun(here, sending, 1)
    await begun(here, sending, 2, urgent=True)
    waiting = asyncio.create_task(here.emptied())
    await ended(here, sending, 1)
    assert not waiting.done()
    await ended(here, sending, 2)
    await asyncio.wait_for(waiting, 5)
    assert here.is_empty
