"""The figures that come from rows: how much waits, and for how long. Read when somebody asks for metrics.

Reads small indexes, at most once every few seconds however often it is asked. Leaves nothing.
"""

import asyncio
import math
import time

from sqlalchemy.exc import SQLAlchemyError

from digest import clock, database, errors, metrics
from digest.outbox import models as outbox, progress
from digest.run import pulse

OPEN = metrics.gauge("digest_deliveries_open", "Deliveries that have not ended, by state.", ("state",))
EDITIONS = metrics.gauge("digest_editions_open", "Editions that are not over, by state; paused ones apart.", ("state",))
BATCHES = metrics.gauge("digest_batches_due", "Batches that wait for a worker.")
LATENESS = metrics.gauge(
    "digest_lateness_seconds", "Age of the oldest work that is due and not paused: planning, filling, sending, retries."
)
DATABASE = metrics.gauge("digest_database_up", "Whether the database answered when it was last asked: 1 or 0.")

# Two Prometheus servers and a curious operator cost one look. Far below any usual scrape interval.
REMEMBERED_SECONDS = 5.0
# Prometheus gives up after ten seconds by default.
PATIENCE_SECONDS = 5.0


class Meter:
    """Reads the gauges that come from rows, then renders everything."""

    def __init__(self, db: database.Database, at: clock.Clock) -> None:
        self._db, self._clock = db, at
        self._read_at = -math.inf
        self._lock = asyncio.Lock()

    async def text(self) -> bytes:
        async with self._lock:
            if time.monotonic() - self._read_at > REMEMBERED_SECONDS:
                await self._read()
                self._read_at = time.monotonic()
        return metrics.render()

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._look()
        except (SQLAlchemyError, OSError, errors.DigestError):
            # Nobody knows; a figure that stands still would look like peace.
            for gauge in (LATENESS, BATCHES):
                gauge.set(math.nan)
            OPEN.clear()
            EDITIONS.clear()
            DATABASE.set(0)
        else:
            DATABASE.set(1)

    async def _look(self) -> None:
        now = self._clock()
        unplanned = await pulse.oldest_due(self._db, now)
        async with self._db.reading() as connection:
            waiting = await progress.waiting(connection)
            open_editions = await progress.open_editions(connection)
            BATCHES.set(await progress.due_batches(connection))
            unsent = await progress.oldest_due(connection, now)
        for state in outbox.OPEN:
            OPEN.labels(state.value).set(waiting[state])
        for name, count in open_editions.items():
            EDITIONS.labels(name).set(count)
        oldest = min((at for at in (unplanned, unsent) if at), default=now)
        LATENESS.set(max((now - oldest).total_seconds(), 0.0))
