"""Which pass runs how often. APScheduler drives the passes and decides nothing about Editions.

Its own triggers fire twice when clocks are set back, so they stand in UTC and only say "look what is due". Jobs live
in memory: the rows are the schedule, and any number of nodes may look at them.
"""

from collections.abc import Awaitable, Callable

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger

Job = Callable[[], Awaitable[None]]


# Some minutes past the hour, when the digests that are due on the hour have had their first minutes.
HOURLY = {"minute": 37, "second": 30}


def create(jobs: dict[str, Job], hourly: dict[str, Job] | None = None) -> AsyncIOScheduler:
    """A scheduler that runs each job at every full minute, or once an hour; never twice at once, however late."""
    scheduler = AsyncIOScheduler(
        timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
    )
    for name, job in jobs.items():
        scheduler.add_job(job, CronTrigger(second=0, timezone="UTC"), id=name, name=name)
    for name, job in (hourly or {}).items():
        scheduler.add_job(job, CronTrigger(**HOURLY, timezone="UTC"), id=name, name=name)
    return scheduler
