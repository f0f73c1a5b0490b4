"""`run`: all that is due, once, for cron. `serve`: the same all the time, with the pages."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from digest import config, database, publications
from digest.audience import models as audience
from digest.commands import bar, output, session
from digest.editions import models as editions
from digest.outbox import crew, models as outbox, tracking
from digest.outbox.transports import transport
from digest.run import logs, loop, passes, wiring

STOPPED = 130
# Nobody brings back what a single run puts off, so it waits for its turn under a rate; beyond this the next run does.
KEPT_SECONDS = 600.0
LOOK_SECONDS = 0.5
# Watching a huge Edition takes longer; it shall take no more than a twentieth of the time of whom it watches.
LEISURE = 20


@dataclass(frozen=True)
class Ran:
    """What a run came to; `failures` name the passes that could not run."""

    document: dict[str, Any]
    failures: list[str]
    was_stopped: bool


def run(*, now: str | None, as_json: bool) -> int:
    ran = session.play(_run, at=session.clock_of(now))
    for failure in ran.failures:
        output.remark(failure)
    output.show(ran.document, _lines(ran.document), as_json=as_json)
    if ran.was_stopped:
        return STOPPED
    return 1 if ran.failures else 0


async def _run(parts: wiring.Parts) -> Ran:
    # A wrong URL is found before anything is done.
    way_out = wiring.transport_of(parts.settings)
    now = parts.clock()
    async with _open(way_out) as opened:
        sender = parts.sender(opened)
        sender.gate.kept_seconds = KEPT_SECONDS
        stopped = _stop_on_signals(sender)
        trouble = await _trouble(parts, opened)
        if trouble:
            # Everything but the sending: each try would only be a deferral on each row.
            sender.stopping.set()
        async with _watched(parts.db):
            report = await passes.run_due(parts, now, sender)
    if trouble:
        report.failures.append(trouble)
    return Ran(await passes.as_document(parts, report), report.failures, bool(stopped))


@asynccontextmanager
async def _watched(db: database.Database) -> AsyncIterator[None]:
    """Shows how far the sending has come while the block runs."""

    ended = asyncio.Event()

    async def watch(update: bar.Update) -> None:
        track = tracking.Track()
        while not ended.is_set():
            started = time.monotonic()
            # A database that is away is the sender's business, and the bar only stands still.
            with contextlib.suppress(SQLAlchemyError, OSError):
                async with db.reading() as connection:
                    update(*await track.look(connection))
            pause = max(LOOK_SECONDS, (time.monotonic() - started) * LEISURE)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), pause)

    with bar.shown("mails") as update:
        watching = asyncio.create_task(watch(update))
        try:
            yield
        finally:
            ended.set()
            await watching


@asynccontextmanager
async def _open(way_out: transport.Transport) -> AsyncIterator[transport.Transport]:
    await way_out.open()
    try:
        yield way_out
    finally:
        await way_out.close()


def _stop_on_signals(sender: crew.Sender) -> list[int]:
    """Ctrl-C and SIGTERM let mails on the wire finish; breaking off there would leave them in doubt."""
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        sender.stopping.set()
        asyncio.get_running_loop().remove_signal_handler(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    return received


async def _trouble(parts: wiring.Parts, way_out: transport.Transport) -> str | None:
    """Why mail cannot leave, if any is due. Nothing due: the relay is not bothered."""
    if not await _has_work(parts):
        return None
    reply = await way_out.probe()
    if 200 <= reply.code < 300:
        return None
    said = f"{reply.code} {reply.text}" if reply.code else reply.text
    return f"send: the relay cannot take mail: {' '.join(said.split())}; what is due stays queued"


async def _has_work(parts: wiring.Parts) -> bool:
    """Whether mail is due. What this very run fetches may add to it; then each mail finds out by itself."""
    now = parts.clock()
    cadence, edition, delivery = audience.Cadence, editions.Edition, outbox.Delivery
    waits = [outbox.DeliveryState.DEFERRED, outbox.DeliveryState.DOUBTFUL]
    questions = (
        sa.exists().where(outbox.Batch.state != outbox.BatchState.DONE),
        sa.exists().where(edition.state == editions.EditionState.PLANNED),
        sa.exists().where(cadence.next_due_at <= now),
        sa.exists().where(cadence.next_due_at.is_(None), cadence.frequency != "instant"),
        sa.exists().where(
            cadence.frequency == "instant",
            cadence.planned_upto < publications.Publication.head,
            cadence.publication_id == publications.Publication.id,
        ),
        sa.exists().where(delivery.state.in_(waits), delivery.retry_at <= now),
        sa.exists().where(audience.Subscription.notice_due.is_not(None)),
    )
    async with parts.db.reading() as connection:
        return bool(await connection.scalar(sa.select(sa.or_(*questions))))


def _lines(document: dict[str, Any]) -> list[str]:
    articles, deliveries = document["articles"], document["deliveries"]
    counts = ", ".join(f"{count} {state}" for state, count in deliveries.items() if count)
    return [
        f"articles   {articles['new']} new, {articles['updated']} updated, {articles['set_aside']} set aside",
        f"editions   {len(document['editions'])} planned",
        f"deliveries {counts or 'none'}",
        f"next due   {document['next_due_at'] or 'nothing planned: no active readers'}",
    ]


def serve(*, host: str | None, port: int | None) -> int:
    # Loaded here, for it brings the whole web with it.
    from digest.run import daemon

    home = config.home()
    settings = config.load(home)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = settings.model_copy(update={"web": settings.web.model_copy(update=given)})
    logs.configure(level=settings.log.level, style=settings.log.format)
    session.must_exist(settings)
    with session.in_words(settings):
        loop.run(daemon.serve(settings, home, on_ready=_ready))
    return 0


def worker(*, connections: int | None, child: int | None) -> int:
    # Loaded here, for it brings the engine with it.
    from digest.run import worker

    home = config.home()
    settings = config.load(home)
    logs.configure(level=settings.log.level, style=settings.log.format)
    session.must_exist(settings)

    def ready() -> None:
        if child is None:
            output.remark("sending what is due; stop with Ctrl-C")

    with session.in_words(settings):
        asyncio.run(worker.work(settings, home, connections=connections, child=child, on_ready=ready))
    return 0


def _ready(url: str) -> None:
    output.remark(f"serving at {url}; stop with Ctrl-C")
