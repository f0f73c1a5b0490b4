"""A world with its pages on a real port: mails lead to them, and a browser can follow.

Time is turned by hand, as in any world; the server is uvicorn, and links in mails name the port it listens at. It
speaks TLS with a certificate of its own making, for a mail may link to nothing else.
"""

import asyncio
import email
import email.policy
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn

from digest import links
from digest.outbox import reading
from digest.run import exposing
from digest.web import app, parts as web
from tests.support import certificates, world as worlds
from tests.support.world import Mail, World


@dataclass
class House:
    world: World
    url: str

    def wait(self, **delta: float) -> None:
        self.world.now += timedelta(**delta)

    async def mail(self, words: str = "", **delta: float) -> Mail:
        """The one mail that comes within this time, with these words in its subject."""
        before = len(self.world.mails)
        await self.world.run(after=timedelta(**delta))
        found = [mail for mail in self.world.mails[before:] if words in mail.subject]
        assert len(found) == 1, [mail.subject for mail in self.world.mails[before:]]
        return found[0]

    def links(self, mail: Mail) -> dict[str, str]:
        """Where the links to our own pages lead, by the first part of their path."""
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        body = message.get_body(("html",))
        assert body is not None
        found = re.findall(rf'href="({re.escape(self.url)}/(\w+)/[^"]+)"', body.get_content())
        return {name: url for url, name in found}


@asynccontextmanager
async def opened(db_url: str, home: Path, now: datetime, **spec: Any) -> AsyncIterator[House]:
    """A Publication as `spec` says, mail by SMTP, and the pages at a port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = exposing.url_of(listening).replace("http:", "https:")
        certificate, key = certificates.make(home)
        async with worlds.a_world(db_url, home, now, base_url=url, **spec) as world:
            quiet: dict[str, Any] = {"log_config": None, "access_log": False, "lifespan": "off"}
            options = uvicorn.Config(_app(world, url), ssl_certfile=certificate, ssl_keyfile=key, **quiet)
            server = exposing.Server(options)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            try:
                yield House(world, url)
            finally:
                server.should_exit = True
                await serving


def _app(world: World, url: str) -> Any:
    parts = world.parts

    async def view(token: links.MailToken) -> str | None:
        return await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)

    async def well() -> web.Readiness:
        return web.Readiness()

    return app.create(
        web.Parts(parts.db, parts.signer, parts.hasher, lambda: world.now, base_url=url, view=view, probe=well)
    )
