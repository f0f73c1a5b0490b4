"""`digest demo`: ten days of digests in some seconds, with nothing simulated but the time.

Real feed over HTTP, real passes, real SMTP into a server that keeps everything. Then the table of who got what and
when, checked against the received mails; and, unless asked for once, the site with an inbox page until Ctrl-C.
"""

import asyncio
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import structlog
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from digest import clock, database, errors, publications
from digest.articles import sources
from digest.audience import apply, importing
from digest.demo import facts, feeds, folder, letters, report, sample, site, verdict, virtual
from digest.demo.inbox import Inbox
from digest.demo.mailserver import HOST, MailServer
from digest.outbox import batch, reading
from digest.run import schema, wiring
from digest.web import app, parts as web

DONE, WRONG, INTERRUPTED = 0, 1, 130
# How often the site's doings, a sign-up or a resumed pause, are carried out once the ten days are over.
LIVE_SECONDS = 2.0
# An operator's own feed is somebody's server: it is read when the demo begins and left in peace afterwards.
OWN_FEED_MINUTES = 60 * 24 * 365.0

log = structlog.get_logger()


@dataclasses.dataclass(frozen=True)
class Wish:
    """What was asked for. `feed` is a URL or a file, None the shipped sample; `port` 0 any free one."""

    once: bool = False
    feed: str | None = None
    port: int = 0
    home: Path | None = None


@dataclasses.dataclass
class Stage:
    """Everything set up, nothing played yet."""

    out: Console
    parts: wiring.Parts
    clock: virtual.VirtualClock
    sender: batch.Sender
    programme: feeds.Programme
    inbox: Inbox


def main(wish: Wish) -> int:
    """Play, and serve until Ctrl-C; the exit code. Raises the DigestError of whatever stands in the way."""
    out, serving = report.console(), asyncio.Event()
    try:
        return asyncio.run(run(wish, out, serving))
    except KeyboardInterrupt:
        out.print()
        return DONE if serving.is_set() else INTERRUPTED


async def run(wish: Wish, out: Console, serving: asyncio.Event) -> int:
    """All of it. `serving` is set when the ten days are over."""
    home = folder.prepare(wish.home)
    async with contextlib.AsyncExitStack() as stack:
        listening = stack.enter_context(site.listen(wish.port))
        stage = await stack.enter_async_context(_staged(wish, home, listening, out))
        code = await _play(stage)
        report.facts(out, [("Folder", f"{home} has every mail as a file; delete it when you like")])
        if not wish.once:
            serving.set()
            await _live(stage)
    return code


@contextlib.asynccontextmanager
async def _staged(wish: Wish, home: Path, listening: socket.socket, out: Console) -> AsyncIterator[Stage]:
    base_url = site.address(listening)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(MailServer(home / "mail"))
        settings = folder.settings(
            home,
            base_url=base_url,
            smtp_url=server.url,
            allow_hosts=_trusted(wish.feed),
            interval_minutes=OWN_FEED_MINUTES if wish.feed else None,
        )
        await _make_database(settings.database.url)
        turned = virtual.VirtualClock(clock.system())
        parts = await stack.enter_async_context(wiring.build(settings, home, turned))
        inbox, publisher = Inbox(server, base_url), sample.Site(parts.db, base_url)
        routes = [*inbox.routes(), *publisher.routes()]
        await stack.enter_async_context(site.served(site.application(routes, _site(parts)), listening))
        programme = await _programme(wish, parts, publisher.feed_url)
        transport = wiring.transport_of(settings)
        await transport.open()
        stack.push_async_callback(transport.close)
        turned.set(programme.begins_at)
        _announce(out, home, server, programme)
        yield Stage(out, parts, turned, parts.sender(transport), programme, inbox)


def _trusted(feed: str | None) -> tuple[str, ...]:
    """Hosts that may be inside this network: ourselves, and the one the operator typed."""
    host = urlsplit(feed).hostname if feed else None
    return (HOST, host) if host else (HOST,)


async def _make_database(url: str) -> None:
    db = database.connect(url)
    try:
        await schema.upgrade(db)
    finally:
        await db.close()


def _site(parts: wiring.Parts) -> app.FastAPI:
    """The service's own pages, on the virtual clock."""

    async def view(token: web.links.MailToken) -> str | None:
        return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)

    async def probe() -> web.Readiness:
        return web.Readiness()

    return app.create(
        web.Parts(
            db=parts.db,
            signer=parts.signer,
            hasher=parts.hasher,
            clock=parts.clock,
            base_url=parts.settings.base_url,
            view=view,
            probe=probe,
        )
    )


async def _programme(wish: Wish, parts: wiring.Parts, sample_url: str) -> feeds.Programme:
    base_url = parts.settings.base_url
    if wish.feed is None:
        return feeds.sample(await feeds.look(sample_url, parts.fetcher), sample_url, base_url)
    url = sources.address(wish.feed)
    return feeds.own(await feeds.look(url, parts.fetcher), url, base_url)


def _announce(out: Console, home: Path, server: MailServer, programme: feeds.Programme) -> None:
    spec, zone = programme.spec, programme.spec.timezone
    topics = ", ".join(topic.name for topic in spec.topics) or "none"
    report.facts(
        out,
        [
            ("Folder", f"{home}, with a database and keys of its own"),
            ("Mail", f"{server.url} takes everything and passes nothing on"),
            ("Feed", f"{spec.name} ({programme.articles} items), {spec.sources[0].url}"),
            ("Topics", topics),
            ("Clock", f"{report.local(programme.begins_at, zone)} to {report.local(programme.ends_at, zone)}, {zone}"),
        ],
    )


async def _play(stage: Stage) -> int:
    """Ten days, the table and the totals; the exit code."""
    readers = await _begin(stage)
    with _progress(stage) as told:
        await virtual.play(stage.parts, stage.sender, stage.clock, stage.programme.ends_at, told)
    verdicts = await _judge(stage, readers)
    stage.out.print(report.table(verdicts))
    report.totals(stage.out, verdicts)
    return DONE if all(found.is_clean for found in verdicts) else WRONG


async def _begin(stage: Stage) -> list[verdict.Reader]:
    """Publication, first ingest, readers: in the order of a real start."""
    parts, spec, now = stage.parts, stage.programme.spec, stage.clock()
    await apply.apply(parts.db, spec, now)
    await virtual.tick(parts, stage.sender, now)
    await _let_go(stage)
    async with parts.db.reading() as connection:
        publication = await publications.get(connection, spec.slug)
    order = importing.Order(publication, parts.hasher, now, confirmed=True)
    imported = await importing.run(parts.db, stage.programme.readers, order)
    for line, reason in imported.refused:
        stage.out.print(f"readers.csv, line {line}: {reason}", markup=False)
    async with parts.db.reading() as connection:
        readers = await facts.readers(connection, stage.programme)
    stage.inbox.readers = {reader.email: reader for reader in readers}
    return readers


async def _let_go(stage: Stage) -> None:
    """More than some dozens of new Articles at once are held for the operator, who is us."""
    async with stage.parts.db.reading() as connection:
        listed = await sources.listing(connection)
    for source in listed:
        if source.reason:
            raise feeds.FeedError(f"{source.address}: {source.reason}")
        if source.held:
            stage.out.print(
                f"{source.held} articles came at once and are held; letting them go, as `digest release` does.",
                markup=False,
            )
            await sources.release(stage.parts.db, str(source.id))
            await virtual.tick(stage.parts, stage.sender, stage.clock())


@contextlib.contextmanager
def _progress(stage: Stage) -> "contextlib.Generator[Callable[[datetime], None]]":
    """A bar over the virtual time; nothing when nobody watches."""
    begins_at, ends_at = stage.programme.begins_at, stage.programme.ends_at
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[mails]} mails")
    with Progress(*columns, console=stage.out, transient=True, disable=not stage.out.is_terminal) as bar:
        task = bar.add_task("", total=(ends_at - begins_at).total_seconds(), mails=0)

        def told(now: datetime) -> None:
            day = report.local(now, stage.programme.spec.timezone)
            done = (now - begins_at).total_seconds()
            bar.update(task, completed=done, description=day, mails=len(stage.inbox.letters()))

        yield told


async def _judge(stage: Stage, readers: list[verdict.Reader]) -> list[verdict.Verdict]:
    digests = [await _whole(letter) for letter in stage.inbox.letters() if letter.is_digest]
    async with stage.parts.db.reading() as connection:
        articles = await facts.released(connection)
    return [verdict.judge(reader, digests, articles, end=stage.programme.ends_at) for reader in readers]


async def _whole(letter: letters.Letter) -> verdict.Digest:
    """All a digest tells; for "and 12 more" the list is read where the mail says it is, as a reader would."""
    if not letter.more_url:
        return verdict.Digest(letter, letter.told)
    async with httpx.AsyncClient(trust_env=False) as client:
        page = await client.get(letter.more_url)
    return verdict.Digest(letter, letters.told_in(page.raise_for_status().text))


async def _live(stage: Stage) -> None:
    """Serve until Ctrl-C; the clock runs on, so that what is clicked on the site takes effect."""
    base_url = stage.parts.settings.base_url
    stage.clock.start()
    report.facts(stage.out, [("Inbox", f"{base_url}/inbox"), ("Site", base_url), ("", "Ctrl-C ends it.")])
    while True:
        await asyncio.sleep(LIVE_SECONDS)
        try:
            await virtual.tick(stage.parts, stage.sender, stage.clock())
        except errors.DigestError as error:
            # The pages go on; the next turn may work.
            log.error("pass_failed", reason=str(error))
