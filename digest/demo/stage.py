"""Sets the stage: the folder, the mail server, the web server, an installation of its own, and what will be played."""

import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from starlette.types import ASGIApp

from digest import clock, database, links
from digest.articles import sources
from digest.demo import feeds, folder, report, sample, site, virtual
from digest.demo.inbox import Inbox
from digest.demo.mailserver import HOST, MailServer
from digest.outbox import crew, reading
from digest.run import schema, wiring
from digest.web import app, parts as web

# An operator's own feed is somebody's server: it is read when the demo begins and left in peace afterwards.
OWN_FEED_MINUTES = 60 * 24 * 365.0


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
    sender: crew.Sender
    programme: feeds.Programme
    inbox: Inbox


@contextlib.asynccontextmanager
async def opened(wish: Wish, home: Path, listening: socket.socket, out: Console) -> AsyncIterator[Stage]:
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
        # Before the parts are built, for they refuse a database without a schema.
        await _make_database(settings.database.url)
        turned = virtual.VirtualClock(clock.system())
        parts = await stack.enter_async_context(wiring.build(settings, home, turned))
        inbox, publisher = Inbox(server, base_url), sample.Site(parts.db, base_url)
        routes = [*inbox.routes(), *publisher.routes()]
        await stack.enter_async_context(site.served(site.application(routes, _site(parts)), listening))
        # From here on the site answers, and the sample feed can be read from it.
        programme = await _programme(wish, parts, publisher.feed_url)
        transport = wiring.transport_of(settings)
        await transport.open()
        stack.push_async_callback(transport.close)
        inbox.sign_up = f"/subscribe/{programme.spec.slug}"
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


def _site(parts: wiring.Parts) -> ASGIApp:
    """The service's own pages, on the virtual clock."""

    async def view(token: links.MailToken) -> str | None:
        return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)

    # Nobody watches over a demo; its pages answer as long as it runs.
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
    items = f"{programme.articles} item{'' if programme.articles == 1 else 's'}"
    report.facts(
        out,
        [
            ("Folder", f"{home}, with a database and keys of its own"),
            ("Mail", f"{server.url} takes everything and passes nothing on"),
            ("Feed", f"{spec.name} ({items}), {spec.sources[0].url}"),
            ("Topics", topics),
            ("Clock", f"{report.local(programme.begins_at, zone)} to {report.local(programme.ends_at, zone)}, {zone}"),
        ],
    )
