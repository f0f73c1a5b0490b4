"""The engine on PostgreSQL: Procrastinate wakes workers on any number of machines.

A job holds a Batch's id and nothing else, and is made in the transaction that makes the Batch. Jobs decide nothing:
the lease on the Batch does, so a job that comes twice, too late or never does no harm. `reconcile` makes jobs anew for
due Batches that have none, because their worker died or gave them back.

Jobs go without `lock`, which here would serialise what the lease already does, and stop a ready job behind one that
is scheduled for later (https://github.com/procrastinate-org/procrastinate/issues/1599).
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import procrastinate
import psycopg_pool
import sqlalchemy as sa
import structlog
from procrastinate import exceptions, jobs
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors
from digest.outbox import lease, models
from digest.run import engine, floor, loops

# Jobs of ordinary Batches, of notices, and those that look after jobs: a queue and a worker each, so that neither a
# request to confirm nor the recovery of what a dead worker left waits behind a large Edition.
BATCHES, NOTICES, UPKEEP = "batches", "notices", "upkeep"
# In seconds, which cron counts in a sixth field. A Batch of a dead worker is missed for at most its lease, this until
# the next tick, and LOOK_SECONDS until the worker of the queue looks.
RECONCILE_SECONDS = 3
# What a dead worker left marked as running is swept away this often; nothing waits for it.
SWEEP_SECONDS = 30
# A worker says every ten seconds that it lives; after three that are missing it is dead to its jobs.
STALLED_SECONDS = 30.0
# Missing jobs made anew at once. Far more are due only after somebody emptied the queue.
AT_ONCE = 1000
# A worker is told of new jobs, but misses what comes while it begins to listen or looks for one. So it looks by itself
# too, for somebody may wait in front of a screen for the mail to confirm.
LOOK_SECONDS = 1.0
# Small, for each process has one beside the pool of its own work, and PostgreSQL has a hundred connections to give.
POOL: dict[str, Any] = {"min_size": 1, "max_size": 4, "timeout": 5.0, "kwargs": {"connect_timeout": 5}}
# How often the workers are looked at.
PULSE_SECONDS = 3.0
# What comes out of Procrastinate, its pool and SQLAlchemy when the database is away.
AWAY = (exceptions.ConnectorException, psycopg_pool.PoolTimeout, SQLAlchemyError, OSError)

_jobs = sa.table("procrastinate_jobs", sa.column("queueing_lock"), sa.column("status"))
log = structlog.get_logger()


class WorkerError(errors.DigestError):
    """A Procrastinate worker ended although nobody asked it to; it is started again."""


class Procrastinate:
    """Needs PostgreSQL with Procrastinate's tables, which `digest db upgrade` puts there."""

    def __init__(self, db: database.Database) -> None:
        self._db = db
        conninfo = db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        connector = procrastinate.PsycopgConnector(conninfo=conninfo, **POOL)
        self._app = procrastinate.App(connector=connector)
        # An app of its own: every worker of an app makes its periodic jobs, and one per process is enough.
        self._upkeep = procrastinate.App(connector=connector)
        self._task = self._app.task(name="send", pass_context=True)(_send)
        self._periodic("reconcile", RECONCILE_SECONDS, self._reconcile)
        self._periodic("sweep", SWEEP_SECONDS, self._sweep)

    def _periodic(self, name: str, seconds: int, work: Callable[..., Awaitable[None]]) -> None:
        """A job that one node of all makes every so many seconds, unless the last one still waits."""
        task = self._upkeep.task(name=name, queue=UPKEEP, queueing_lock=name, pass_context=True)(work)
        self._upkeep.periodic(cron=f"* * * * * */{seconds}")(task)

    async def submit(self, connection: AsyncConnection, batch_ids: Sequence[int]) -> None:
        batch = models.Batch
        found = await connection.execute(sa.select(batch.id, batch.priority).where(batch.id.in_(batch_ids)))
        raw = (await connection.get_raw_connection()).driver_connection
        new = [self._job(id_, priority) for id_, priority in found]
        await self._app.job_manager.batch_defer_jobs_async(new, connection=raw)

    def _job(self, batch_id: int, priority: int) -> jobs.Job:
        """Procrastinate runs higher priorities first, we the lower ones."""
        queue = NOTICES if priority <= floor.URGENT else BATCHES
        order = self._task.configure(queue=queue, priority=-priority, queueing_lock=_lock(batch_id))
        return order.make_new_job(batch_id=batch_id)

    async def run(self, shift: engine.Shift) -> None:
        here, stopping = floor.Floor(shift.sender), shift.sender.stopping

        async def work() -> bool:
            await shift.fence()
            await self._work(shift, here)
            return False

        await loops.repeat(shift.pulse, "send", work, stopping, seconds=1.0)
        await here.emptied()
        # What was given back is for others to send, at once.
        with contextlib.suppress(*AWAY):
            await self.reconcile()

    async def _work(self, shift: engine.Shift, here: floor.Floor) -> None:
        """Workers at work until we are asked to stop, or one of them has lost the database."""
        try:
            async with self._app.open_async():
                await self._crew(shift, here)
        except AWAY as error:
            raise database.unreachable(self._db.engine.url, error) from error

    async def _crew(self, shift: engine.Shift, here: floor.Floor) -> None:
        leaving = asyncio.Event()
        context = {"shift": shift, "floor": here, "leaving": leaving}
        workers = [
            asyncio.create_task(work)
            for work in (
                _worker(self._app, BATCHES, context),
                _worker(self._app, NOTICES, context, concurrency=floor.URGENT_AT_ONCE),
                _worker(self._upkeep, UPKEEP, context, listen_notify=False),
            )
        ]
        watching = asyncio.create_task(_watch(shift, here))
        stop = asyncio.create_task(shift.sender.stopping.wait())
        ended, _ = await asyncio.wait({*workers, watching, stop}, return_when=asyncio.FIRST_COMPLETED)
        # Jobs end now; the Batches they began go on, and are waited for on the floor.
        leaving.set()
        for task in (*workers, watching, stop):
            # To cancel a worker is to ask it to stop: it records the end of its jobs first.
            task.cancel()
        await asyncio.gather(*workers, watching, stop, return_exceptions=True)
        for task in ended:
            task.result()
        if stop not in ended:
            raise WorkerError("a Procrastinate worker ended by itself and is started again")

    async def _reconcile(self, context: procrastinate.JobContext, timestamp: int) -> None:
        shift, here = context.additional_context["shift"], context.additional_context["floor"]
        with _in_peace("reconcile"):
            await shift.fence()
            await self.reconcile(but=here.not_now)

    async def reconcile(self, but: Sequence[int] | set[int] = ()) -> int:
        """Make jobs for due Batches that have none; how many that were. Two nodes at once do no harm."""
        batch = models.Batch
        # The state is written out, to be found by Procrastinate's partial index.
        waits = sa.exists().where(
            _jobs.c.queueing_lock == sa.func.concat("batch:", batch.id), _jobs.c.status == sa.literal_column("'todo'")
        )
        due = sa.select(batch.id).where(lease.is_free(), batch.id.not_in(list(but)), ~waits)
        try:
            async with self._db.transaction() as connection:
                ids = (await connection.execute(due.order_by(batch.priority, batch.id).limit(AT_ONCE))).scalars().all()
                if ids:
                    await self.submit(connection, ids)
        except exceptions.AlreadyEnqueued:
            return 0
        return len(ids)

    async def _sweep(self, context: procrastinate.JobContext, timestamp: int) -> None:
        with _in_peace("sweep"):
            await self.sweep()

    async def sweep(self) -> None:
        """Forget workers that died, and their jobs. Not tried again: `reconcile` has made new ones already."""
        manager = self._upkeep.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS):
            with contextlib.suppress(exceptions.ConnectorException):  # it has just ended after all
                await manager.finish_job(job, jobs.Status.FAILED, delete_job=True)
        await manager.prune_stalled_workers(STALLED_SECONDS)


@contextlib.contextmanager
def _in_peace(name: str) -> Iterator[None]:
    """What comes again in some seconds needs no traceback because the database is away."""
    try:
        yield
    except (errors.DigestError, *AWAY) as error:
        log.warning("upkeep_failed", name=name, reason=type(error).__name__)


def _lock(batch_id: int) -> str:
    """At most one job per Batch waits."""
    return f"batch:{batch_id}"


async def _worker(app: procrastinate.App, queue: str, context: dict[str, Any], **options: Any) -> None:
    await app.run_worker_async(
        queues=[queue],
        name="digest",
        additional_context=context,
        delete_jobs="always",  # the Batch is the record
        install_signal_handlers=False,  # stopping is one decision for all parts of a process
        fetch_job_polling_interval=LOOK_SECONDS,
        **options,
    )


async def _watch(shift: engine.Shift, here: floor.Floor) -> None:
    """Say that sending is well, as long as the database answers and this installation may send."""
    while True:
        await shift.fence()
        if await lease.find_due(shift.sender.db) is None:
            here.nothing_is_due()
        here.report(shift.pulse)
        shift.pulse.beat("send")
        await asyncio.sleep(PULSE_SECONDS)


async def _send(context: procrastinate.JobContext, batch_id: int) -> None:
    """The one kind of job: begin this Batch, and end when it has nothing more to hand over."""
    shift, here, leaving = (context.additional_context[name] for name in ("shift", "floor", "leaving"))
    urgent = context.job.queue == NOTICES
    while not here.has_room(urgent=urgent) and not leaving.is_set():
        await here.changed(1.0)
    # Asked last: another job of this Batch may have begun it while we waited.
    if leaving.is_set() or not await _may_send(shift) or batch_id in here.not_now:
        return
    await _first(here.begin(batch_id, urgent=urgent), leaving)


async def _may_send(shift: engine.Shift) -> bool:
    """A copy of the database comes with its jobs. The Batch stays as it is, and the watch says why."""
    try:
        await shift.fence()
    except errors.DigestError:
        return False
    return True


async def _first(*events: asyncio.Event) -> None:
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
