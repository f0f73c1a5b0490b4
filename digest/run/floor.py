"""The Batches that this process is sending at the moment, whichever engine began them.

The next one begins when those before it have nothing more to hand over: replies that take minutes hold up nobody.
A Batch that fails is left to its lease and rests a while, for what broke it will most likely break it again.
"""

import asyncio
import contextlib
import dataclasses
import time
from collections import Counter

import structlog

from digest import errors
from digest.outbox import batch, crew, notices
from digest.run import pulse

# Batches of which the last replies are waited for. Each costs a lease to renew and its place in the pool of lines.
AT_ONCE = 8
# Batches of notices, beside those.
URGENT_AT_ONCE = 4
# No Batch of a lower priority number exists, and none of a higher one is in a hurry.
URGENT = notices.PRIORITY
# A Batch that broke is tried again after this. Longer than a lease: by then nothing else keeps it.
REST_SECONDS = 30.0
# No relay can be reached: how soon to look again. The lines themselves are tried by the transport, ever more rarely.
RELAY_SECONDS = 2.0
# The same for a database.
DATABASE_SECONDS = 1.0

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True)
class _Run:
    is_urgent: bool
    exhausted: asyncio.Event
    work: asyncio.Task[None]


class Floor:
    """`broken` are Batches that failed, with the reason; they stay there until they end well."""

    def __init__(self, sender: crew.Sender, broken: dict[int, str] | None = None, rest: float | None = None) -> None:
        self.sender = sender
        self.broken = {} if broken is None else broken
        self.counts: Counter[str] = Counter()
        self._rest = REST_SECONDS if rest is None else rest
        self._rest_until = {id_: time.monotonic() + self._rest for id_ in self.broken}
        self.trouble: crew.RelayError | None = None
        self._pause_until = 0.0
        self._running: dict[int, _Run] = {}
        self._moved = asyncio.Event()

    @property
    def not_now(self) -> set[int]:
        """Batches not to begin: they run here already, or rest."""
        return self._resting | set(self._running)

    @property
    def _resting(self) -> set[int]:
        now = time.monotonic()
        return {id_ for id_, until in self._rest_until.items() if until > now}

    @property
    def is_empty(self) -> bool:
        return not self._running

    def has_room(self, *, urgent: bool = False) -> bool:
        """Whether one more may begin. Urgent ones need not wait until others have handed over what they have."""
        if self._is_pausing:
            return False
        alike = [run for run in self._running.values() if run.is_urgent == urgent]
        if urgent:
            return len(alike) < URGENT_AT_ONCE
        return len(alike) < AT_ONCE and all(run.exhausted.is_set() for run in alike)

    def begin(self, batch_id: int, *, urgent: bool = False) -> asyncio.Event:
        """Start sending this Batch, unless it runs here; the event tells when it has nothing more to hand over."""
        if running := self._running.get(batch_id):
            return running.exhausted
        exhausted = asyncio.Event()
        work = asyncio.create_task(self._send(batch_id, exhausted))
        self._running[batch_id] = _Run(urgent, exhausted, work)
        return exhausted

    async def _send(self, batch_id: int, exhausted: asyncio.Event) -> None:
        telling = asyncio.create_task(self._tell(exhausted))
        try:
            self.counts.update(await batch.run_batch(self.sender, batch_id, exhausted))
            self.trouble = None
            self.broken.pop(batch_id, None)
            self._rest_until.pop(batch_id, None)
        except crew.RelayError as error:
            # No fault of the Batch, and the others would fare the same.
            log.error("relay_down", reason=str(error))
            self.trouble = error
            self._pause(RELAY_SECONDS)
        except batch.AWAY as error:
            # Nor is this: a database that comes back should find us soon.
            log.warning("database_away", batch=batch_id, reason=type(error).__name__)
            self._pause(DATABASE_SECONDS)
        except errors.DigestError as error:
            log.error("batch_failed", batch=batch_id, reason=str(error))
            self._set_aside(batch_id, str(error))
        except Exception as error:
            log.exception("batch_failed", batch=batch_id)
            self._set_aside(batch_id, type(error).__name__)
        finally:
            del self._running[batch_id]
            exhausted.set()
            await telling
            self._moved.set()

    async def _tell(self, exhausted: asyncio.Event) -> None:
        await exhausted.wait()
        self._moved.set()

    def _set_aside(self, batch_id: int, reason: str) -> None:
        self.broken[batch_id] = reason
        self._rest_until[batch_id] = time.monotonic() + self._rest

    def _pause(self, seconds: float) -> None:
        self._pause_until = time.monotonic() + seconds

    @property
    def _is_pausing(self) -> bool:
        return time.monotonic() < self._pause_until

    def nothing_is_due(self) -> None:
        """Then what could not be sent here, and neither rests nor waits for the relay, was sent by somebody else."""
        if not (self._running or self._resting or self._is_pausing):
            self.trouble = None
            self.broken.clear()
            self._rest_until.clear()

    async def changed(self, seconds: float | None = None) -> None:
        """Wait until a Batch has nothing more to hand over or is done, or so much time has passed."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), seconds)
        # Not before the wait: what happened since the last look counts.
        self._moved.clear()

    async def emptied(self) -> None:
        """Wait until all that runs has ended."""
        while self._running:
            await asyncio.wait([run.work for run in self._running.values()])

    def report(self, to: pulse.Pulse) -> None:
        """Say what is broken; that all is well only when nothing is being tried again."""
        if self.trouble:
            to.fail("batches", str(self.trouble))
        elif self.broken:
            to.fail("batches", "; ".join(f"batch {id_}: {reason}" for id_, reason in self.broken.items()))
        else:
            to.beat("batches")
