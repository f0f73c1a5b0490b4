"""The scheduler says when to look, in UTC, and never twice at once."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from digest.run import schedule

pytestmark = pytest.mark.anyio


async def nothing():
    pass


async def test_each_pass_is_looked_at_every_full_minute_however_late_and_never_twice_at_once():
    scheduler = schedule.create({"plan": nothing, "ingest": nothing})
    scheduler.start(paused=True)
    jobs = {job.id: job for job in scheduler.get_jobs()}
    assert set(jobs) == {"plan", "ingest"}
    for job in jobs.values():
        assert (job.max_instances, job.coalesce, job.misfire_grace_time) == (1, True, None)
    scheduler.shutdown(wait=False)


async def test_some_are_looked_at_once_an_hour_in_a_quiet_minute():
    scheduler = schedule.create({"plan": nothing}, hourly={"prune": nothing})
    [trigger] = [job.trigger for job in scheduler.get_jobs() if job.id == "prune"]
    at = datetime(2026, 10, 25, 0, 0, tzinfo=UTC)
    first = trigger.get_next_fire_time(None, at)
    second = trigger.get_next_fire_time(first, first + timedelta(microseconds=1))
    assert (second - first, first.minute) == (timedelta(hours=1), schedule.HOURLY["minute"])


async def test_clocks_that_are_set_back_make_no_minute_come_twice():
    trigger = schedule.create({"plan": nothing}).get_jobs()[0].trigger
    at = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)  # Berlin: 02:30 summer time, half an hour before
    seen = []
    for _ in range(90):
        at = trigger.get_next_fire_time(at, at + timedelta(microseconds=1))
        seen.append(at.astimezone(UTC))
    assert [later - earlier for earlier, later in itertools.pairwise(seen)] == [timedelta(minutes=1)] * 89
    assert len({moment.astimezone(ZoneInfo("Europe/Berlin")).isoformat() for moment in seen}) == 90


async def test_jobs_run():
    ran = asyncio.Event()

    async def job():
        ran.set()

    scheduler = schedule.create({"plan": job})
    scheduler.start()
    scheduler.modify_job("plan", next_run_time=datetime.now(UTC))
    await asyncio.wait_for(ran.wait(), 10)
    scheduler.shutdown(wait=False)
