"""`digest serve`: web, scheduler and sender in one process. SIGTERM drains and ends with 0.

Each of the three lives on its own: a relay that is down does not stop the pages, a broken feed not the mail. What
fails is logged, tried again, and shown on the readiness page until it works. Sending may be left to other processes.
"""

import asyncio
import contextlib
import dataclasses
import os
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from digest import config, errors, links
from digest.archive import keep as archive
from digest.articles import release
from digest.articles.pictures import gather, prune as picture_prune
from digest.audience import address_changes, entrance, rates
from digest.editions import plan
from digest.outbox import crew, fill, notices, prune, reading, unconfirmed
from digest.run import bugs, exposing, loops, passes, processes, pulse, schedule, wiring
from digest.web import app, parts as web
from digest.web.api import once
from digest.webhooks import deliver

log = structlog.get_logger()

# Passes that must end well now and then for this node to be ready.
PASSES = ("plan", "notices", "outbox")
IDLE_SECONDS = 1.0
# Due retries are looked for this often. Pauses after a refusal are minutes, but what a rate has put off is back within
# seconds, and should be before its tokens run over.
RETRY_SECONDS = 2.0
# Filling a million readers takes seconds. So long it goes before anything else is looked at.
FILL_SECONDS = 1.0
# What programs were told is of use as long as somebody may ask why they were not.
TOLD_FOR = timedelta(days=30)
# A client that never finishes its request must not keep us from ending.
LAST_REQUESTS_SECONDS = 10


class ListenError(errors.DigestError):
    """The pages cannot be served at this address."""


async def serve(settings: config.Settings, home: Path, *, on_ready: Callable[[str], None] | None = None) -> None:
    """Run until SIGTERM or SIGINT. Raises the DigestError of whatever is set up wrongly at the start."""
    async with wiring.build(settings, home) as parts, exposing.served(settings.metrics, parts.meter):
        # Bound before anything runs: a port in use is one line then, and not half a service.
        with _listen(settings.web.host, settings.web.port) as listening:
            async with _sender(parts) as sender:
                await Daemon(parts, sender).run(listening, on_ready)


@contextlib.asynccontextmanager
async def _sender(parts: wiring.Parts) -> AsyncIterator[crew.Sender]:
    """A Sender over an open transport, or over one that stays closed where other processes send."""
    transport = wiring.transport_of(parts.settings)
    if parts.settings.engine.processes != 1:
        yield parts.sender(transport)
        return
    await transport.open()
    try:
        yield parts.sender(transport)
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


class Daemon:
    """One node at work."""

    def __init__(self, parts: wiring.Parts, sender: crew.Sender) -> None:
        self.parts, self.sender = parts, sender
        self.pulse = pulse.Pulse()
        self.stopping = sender.stopping
        self._retries = loops.Every(RETRY_SECONDS)
        self.courier = deliver.Courier(parts.hooks, bugs.caught)

    async def run(self, listening: socket.socket, on_ready: Callable[[str], None] | None = None) -> None:
        server = self._server()
        scheduler = schedule.create({"ingest": self._ingest, "plan": self._plan}, hourly={"prune": self._prune})
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stopping.set)
        scheduler.start()
        # What fell due while nobody was running should not wait for the next full minute.
        early = [asyncio.create_task(self._plan()), asyncio.create_task(self._ingest())]
        lasting = [asyncio.create_task(work) for work in (server.serve(sockets=[listening]), *self._for_ever())]
        if on_ready:
            on_ready(exposing.url_of(listening))
        log.info("started", instance=self.parts.instance)
        stop = asyncio.create_task(self.stopping.wait())
        # Should one of them end by itself, the process ends too, and whoever watches it starts it anew.
        await asyncio.wait({*lasting, stop}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        self.stopping.set()
        server.should_exit = True
        # Looking what is due can be broken off anywhere: the next process looks again.
        scheduler.shutdown(wait=False)
        for task in early:
            task.cancel()
        await self._drain(lasting, early)

    def _for_ever(self) -> Iterator[Coroutine[Any, Any, None]]:
        yield self._send_for_ever()
        # Apart from each other: somebody waits for a notice, and a million retries take a while.
        for name, work in (("notices", self._notices), ("outbox", self._tidy), ("webhooks", self._tell)):
            yield loops.repeat(self.pulse, name, work, self.stopping, seconds=IDLE_SECONDS)

    async def _drain(self, tasks: list[asyncio.Task[None]], cancelled: list[asyncio.Task[None]]) -> None:
        """Hand nothing more over, wait for every reply on the wire and record it, answer the last requests."""
        await asyncio.gather(*tasks, *cancelled, return_exceptions=True)
        await self.courier.stop()
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
            measure=self.parts.meter.text,
            metrics_token=self.parts.settings.metrics.secret(),
            api_limit=self.parts.settings.api.limit,
            sign_up=wiring.sign_up(self.parts.settings),
            hosts=self.parts.settings.web.hosts,
            hsts_days=self.parts.settings.web.hsts_days,
        )
        # Access lines would put tokens into the log.
        options = uvicorn.Config(
            app.create(site),
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=LAST_REQUESTS_SECONDS,
            forwarded_allow_ips=list(self.parts.settings.web.proxies),
        )
        return exposing.Server(options)

    async def _view(self, token: links.MailToken) -> str | None:
        parts = self.parts
        return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)

    async def _probe(self) -> web.Readiness:
        parts = self.parts
        senders = processes.names(parts.settings.engine.processes)
        return await pulse.look(parts.db, self.pulse, parts.instance, parts.clock(), (*PASSES, *senders))

    async def _ingest(self) -> None:
        async def work() -> None:
            report = passes.Report(self.parts.clock())
            await passes.ingest(self.parts, report, report.now)
            await gather.run(self.parts.db, self.parts.gatherer, self.parts.clock())
            await release.run(self.parts.db, self.parts.clock())

        await self.pulse.watch("ingest", work)

    async def _plan(self) -> None:
        async def work() -> None:
            now = self.parts.clock()
            await release.run(self.parts.db, now)
            await self.parts.fence()
            await plan.run(self.parts.db, self.parts.policy, now)

        # First, for a Page knows the newest Delivery before those that bring the same; and what goes wrong with it must
        # not keep mail from leaving.
        await self.pulse.watch("archive", self._archive)
        await self.pulse.watch("plan", work)

    async def _archive(self) -> None:
        now = self.parts.clock()
        await release.run(self.parts.db, now)
        await archive.run(self.parts.db, now)

    async def _notices(self) -> bool:
        await self.parts.fence()
        await entrance.run(self.parts.db, self.parts.hasher, self.parts.clock(), trap=bugs.caught)
        await notices.run(self.parts.db, self.parts.clock(), submit=self.parts.engine.submit)
        return False

    async def _prune(self) -> None:
        async def work() -> bool:
            # A copy that is not to mail is not to forget either.
            await self.parts.fence()
            pruned = await prune.run(self.parts.db, self.parts.keep, self.parts.clock())
            pictures = await picture_prune.run(self.parts.db, self.parts.keep_images, self.parts.clock())
            counts = {
                "pictures": pictures,
                "answers": await once.prune(self.parts.db, self.parts.clock()),
                "unconfirmed": await unconfirmed.run(self.parts.db, self.parts.clock()),
                "address_changes": await address_changes.prune(self.parts.db, self.parts.clock()),
                "webhooks": await deliver.prune(self.parts.db, self.parts.clock() - TOLD_FOR),
                "rates": await rates.prune(self.parts.db, self.parts.clock()),
            }
            if pruned != prune.Pruned() or any(counts.values()):
                log.info("pruned", **dataclasses.asdict(pruned), **counts)
            return False

        await self.pulse.watch("prune", work)

    async def _tell(self) -> bool:
        await self.parts.fence()
        await self.courier.turn()
        return False

    async def _tidy(self) -> bool:
        """Due retries, and some slices of each Edition; whether there are more of these."""
        parts, now = self.parts, self.parts.clock()
        await parts.fence()
        if self._retries.is_due():
            await passes.again(parts, now)
        started = time.monotonic()
        while (has_more := (await fill.run(parts.db, parts.filler, now)).more) and not self.stopping.is_set():
            if time.monotonic() - started > FILL_SECONDS:
                break
        return has_more

    async def _send_for_ever(self) -> None:
        """Send in this process, or see to it that others do."""
        settings = self.parts.settings
        if settings.engine.processes == 1:
            await self.parts.engine.run(self.parts.shift(self.sender, self.pulse))
        else:
            await processes.keep(settings.engine.processes, self.stopping, self.pulse)
