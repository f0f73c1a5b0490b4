"""`digest serve`: web, scheduler and sender in one process. SIGTERM drains and ends with 0.

Each of the three lives on its own: a relay that is down does not stop the pages, a broken feed not the mail. What
fails is logged, tried again, and shown on the readiness page until it works.
"""

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import structlog
import uvicorn

from digest import config, errors, links
from digest.articles import release
from digest.editions import plan
from digest.outbox import batch, fill, notices, prune, reading, retry
from digest.run import inprocess, instance, passes, pulse, schedule, wiring
from digest.web import app, parts as web

log = structlog.get_logger()

# Passes that must end well now and then for this node to be ready.
PASSES = ("plan", "send")
IDLE_SECONDS = 1.0
# After a failure the sender waits longer each time, up to this.
LONGEST_WAIT_SECONDS = 30.0
# Due retries are looked for this often; their own pauses are minutes.
RETRY_SECONDS = 10.0
# Filling a million readers takes seconds. So long it goes first, that an Edition does not stay half planned for hours.
FILL_SECONDS = 1.0
# Batches that broke are tried again this often. Longer than a lease: by then nothing else keeps them.
MEND_SECONDS = 30.0
# A client that never finishes its request must not keep us from ending.
LAST_REQUESTS_SECONDS = 10


class ListenError(errors.DigestError):
    """The pages cannot be served at this address."""


async def serve(settings: config.Settings, home: Path, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises the DigestError of whatever is set up wrongly at the start."""
    async with wiring.build(settings, home) as parts:
        transport = wiring.transport_of(settings)
        # Bound before anything runs: a port in use is one line then, and not half a service.
        with _listen(settings.web.host, settings.web.port) as listening:
            await transport.open()
            try:
                await Daemon(parts, parts.sender(transport)).run(listening, on_ready)
            finally:
                await transport.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        # Python adds the address to the system's own words; an unknown host has none of those.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ListenError(
            f"cannot serve at {host}:{port}: {reason}; choose another with --host and --port, "
            "or DIGEST_WEB_HOST and DIGEST_WEB_PORT"
        ) from None


def _url(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: stopping is one decision for all parts."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Daemon:
    """One node at work."""

    def __init__(self, parts: wiring.Parts, sender: batch.Sender) -> None:
        self.parts, self.sender = parts, sender
        self.pulse = pulse.Pulse()
        self.stopping = sender.stopping
        self.broken: dict[int, str] = {}

    async def run(self, listening: socket.socket, on_ready: Callable[[str], None] | None = None) -> None:
        server = self._server()
        scheduler = schedule.create({"ingest": self._ingest, "plan": self._plan}, hourly={"prune": self._prune})
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        scheduler.start()
        # What fell due while nobody was running should not wait for the next full minute.
        early = [asyncio.create_task(self._plan()), asyncio.create_task(self._ingest())]
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        sending = asyncio.create_task(self._send_for_ever())
        if on_ready:
            on_ready(_url(listening))
        log.info("started", instance=self.parts.instance)
        stop = asyncio.create_task(self.stopping.wait())
        # Should one of the two end by itself, the process ends too, and whoever watches it starts it anew.
        await asyncio.wait({serving, sending, stop}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        self.stopping.set()
        server.should_exit = True
        # Looking what is due can be broken off anywhere: the next process looks again.
        scheduler.shutdown(wait=False)
        for task in early:
            task.cancel()
        await self._drain([serving, sending], early)

    async def _drain(self, tasks: list[asyncio.Task[None]], cancelled: list[asyncio.Task[None]]) -> None:
        """Hand nothing more over, wait for every reply on the wire and record it, answer the last requests."""
        await asyncio.gather(*tasks, *cancelled, return_exceptions=True)
        for task in tasks:
            task.result()
        log.info("stopped")

    def _server(self) -> uvicorn.Server:
        site = web.Parts(
            db=self.parts.db,
            signer=self.parts.signer,
            hasher=self.parts.hasher,
            clock=self.parts.clock,
            base_url=self.parts.settings.base_url,
            view=self._view,
            probe=self._probe,
        )
        # Access lines would put tokens into the log.
        options = uvicorn.Config(
            app.create(site), log_config=None, access_log=False, timeout_graceful_shutdown=LAST_REQUESTS_SECONDS
        )
        return _Server(options)

    async def _view(self, token: links.MailToken) -> str | None:
        parts = self.parts
        return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)

    async def _probe(self) -> web.Readiness:
        parts = self.parts
        return await pulse.look(parts.db, self.pulse, parts.instance, parts.clock(), PASSES)

    async def _ingest(self) -> None:
        async def work() -> None:
            report = passes.Report(self.parts.clock())
            await passes.ingest(self.parts, report, report.now)
            await release.run(self.parts.db, self.parts.clock())

        await self._guarded("ingest", work)

    async def _plan(self) -> None:
        async def work() -> None:
            now = self.parts.clock()
            await release.run(self.parts.db, now)
            await instance.check(self.parts.db, self.parts.instance)
            await plan.run(self.parts.db, self.parts.policy, now)

        await self._guarded("plan", work)

    async def _prune(self) -> None:
        async def work() -> None:
            # A copy that is not to mail is not to forget either.
            await instance.check(self.parts.db, self.parts.instance)
            pruned = await prune.run(self.parts.db, self.parts.keep, self.parts.clock())
            if pruned != prune.Pruned():
                log.info("pruned", **dataclasses.asdict(pruned))

        await self._guarded("prune", work)

    async def _guarded(self, name: str, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether it ended well. Nothing that goes wrong in a pass ends the process."""
        try:
            await work()
        except errors.DigestError as error:
            log.error("pass_failed", name=name, reason=str(error))
            self.pulse.fail(name, str(error))
            return False
        except Exception as error:
            log.exception("pass_failed", name=name)
            self.pulse.fail(name, type(error).__name__)
            return False
        self.pulse.beat(name)
        return True

    async def _send_for_ever(self) -> None:
        """Fill and send whatever there is, then look again soon."""
        wait, retries, mending = IDLE_SECONDS, _Every(RETRY_SECONDS), _Every(MEND_SECONDS)
        while not self.stopping.is_set():
            self._busy = False
            is_well = await self._guarded("send", lambda: self._send(retries, mending))
            wait = IDLE_SECONDS if is_well else min(wait * 2, LONGEST_WAIT_SECONDS)
            if not (is_well and self._busy):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), wait)

    async def _send(self, retries: "_Every", mending: "_Every") -> None:
        """One turn: notices, due retries, some slices of each Edition, then one Batch.

        Only one, so that a request to confirm waits behind some hundred mails of a large Edition and not behind all.
        """
        parts, now = self.parts, self.parts.clock()
        await instance.check(parts.db, parts.instance)
        await notices.run(parts.db, now)
        if retries.is_due():
            outbox = parts.settings.outbox
            await retry.run(parts.db, batch_size=outbox.batch_size, doubt=parts.settings.smtp.doubt, now=now)
        if mending.is_due():
            self.broken.clear()
        started = time.monotonic()
        while (has_more := (await fill.run(parts.db, parts.filler, now)).more) and not self.stopping.is_set():
            if time.monotonic() - started > FILL_SECONDS:
                break
        sent = await inprocess.send_next(self.sender, self.broken)
        self._busy = has_more or sent is not None
        if self.broken:
            self.pulse.fail("batches", "; ".join(f"batch {id_}: {reason}" for id_, reason in self.broken.items()))
        elif sent is None:
            self.pulse.beat("batches")


class _Every:
    """True at first, then once per so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._next = seconds, 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.seconds
        return True
