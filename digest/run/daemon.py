"""`digest serve`: web, scheduler and sender in one process. SIGTERM drains and ends with 0.

Each of the three lives on its own: a relay that is down does not stop the pages, a broken feed not the mail. What
fails is logged, tried again, and shown on the readiness page until it works.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from digest import config, errors, links
from digest.articles import release
from digest.editions import plan
from digest.outbox import batch, fill, notices, reading, retry
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


class SendError(errors.DigestError):
    """Some Batches could not be sent; they are tried again when their lease is over."""


async def serve(settings: config.Settings, home: Path, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises the DigestError of whatever is set up wrongly at the start."""
    async with wiring.build(settings, home) as parts:
        transport = wiring.transport_of(settings)
        await transport.open()
        try:
            await Daemon(parts, parts.sender(transport)).run(on_ready)
        finally:
            await transport.close()


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

    async def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        server = self._server()
        scheduler = schedule.create({"ingest": self._ingest, "plan": self._plan})
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        scheduler.start()
        # What fell due while nobody was running should not wait for the next full minute.
        early = [asyncio.create_task(self._plan()), asyncio.create_task(self._ingest())]
        serving = asyncio.create_task(server.serve())
        sending = asyncio.create_task(self._send_for_ever())
        if on_ready:
            on_ready(f"http://{self.parts.settings.web.host}:{self.parts.settings.web.port}")
        log.info("started", instance=self.parts.instance)
        await asyncio.wait({serving, asyncio.create_task(self.stopping.wait())}, return_when=asyncio.FIRST_COMPLETED)
        self.stopping.set()
        await self._stop(server, scheduler, [serving, sending, *early])

    async def _stop(self, server: uvicorn.Server, scheduler: Any, tasks: list[asyncio.Task[None]]) -> None:
        """Hand nothing more over, wait for every reply on the wire and record it, answer the last requests."""
        log.info("stopping")
        server.should_exit = True
        scheduler.shutdown(wait=False)
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for failure in (result for result in results if isinstance(result, BaseException)):
            log.error("stopped_badly", reason=repr(failure))
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
        settings = self.parts.settings.web
        # Access lines would put tokens into the log.
        options = uvicorn.Config(
            app.create(site), host=settings.host, port=settings.port, log_config=None, access_log=False
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
        wait, looked_for_retries = IDLE_SECONDS, 0.0
        loop = asyncio.get_running_loop()
        while not self.stopping.is_set():
            with_retries = loop.time() - looked_for_retries >= RETRY_SECONDS
            if with_retries:
                looked_for_retries = loop.time()
            self._busy = False
            is_well = await self._guarded("send", lambda again=with_retries: self._send(again))  # type: ignore[misc]
            wait = IDLE_SECONDS if is_well else min(wait * 2, LONGEST_WAIT_SECONDS)
            if not (is_well and self._busy):
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self.stopping.wait(), wait)

    async def _send(self, with_retries: bool) -> None:
        """One turn: notices first, then due retries, a slice of each Edition, and every Batch there is."""
        parts, now = self.parts, self.parts.clock()
        await instance.check(parts.db, parts.instance)
        await notices.run(parts.db, now)
        if with_retries:
            outbox = parts.settings.outbox
            await retry.run(parts.db, batch_size=outbox.batch_size, doubt=parts.settings.smtp.doubt, now=now)
        filled = await fill.run(parts.db, parts.filler, now)
        broken: set[int] = set()
        counts = await inprocess.drain(self.sender, broken)
        if broken:
            raise SendError(f"batches {sorted(broken)} could not be sent; the log has the reason")
        self._busy = filled.more or bool(counts)
