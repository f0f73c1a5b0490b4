"""Answers for its own names only: a page of another site that resolves to us (DNS rebinding) gets nothing.

Its own are the names in links (base_url, of the installation and of each Publication), those in the settings, and this
machine itself, which is what a proxy says that passes no name on. Health and metrics answer to any, for machines ask by
whatever address they have.
"""

import time
from urllib.parse import urlsplit

import sqlalchemy as sa
import sqlalchemy.exc
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from digest import database, publications, urls

EXEMPT = ("/health/", "/metrics")
# How often names we do not know may make us look for new Publications.
LOOK_SECONDS = 10.0
MISDIRECTED = 421  # RFC 9110 §15.5.20


class Hosts:
    """ASGI middleware. `own` are host names without ports."""

    def __init__(self, app: ASGIApp, *, db: database.Database, base_url: str, own: tuple[str, ...] = ()) -> None:
        self.app, self._db = app, db
        self._given = frozenset({*map(str.lower, own), urlsplit(base_url).hostname or ""})
        self._found: frozenset[str] = frozenset()
        self._looked_at = -LOOK_SECONDS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(EXEMPT) or await self._knows(_host(scope)):
            await self.app(scope, receive, send)
            return
        answer = PlainTextResponse("There is nothing under this name.\n", MISDIRECTED)
        await answer(scope, receive, send)

    async def _knows(self, host: str) -> bool:
        if host in self._given or urls.is_loopback_host(host) or host in self._found:
            return True
        if time.monotonic() - self._looked_at < LOOK_SECONDS:
            return False
        self._looked_at = time.monotonic()
        self._found = await self._of_publications()
        return host in self._found

    async def _of_publications(self) -> frozenset[str]:
        column = publications.Publication.spec["base_url"].as_string()
        try:
            async with self._db.reading() as connection:
                rows = (await connection.execute(sa.select(column))).scalars()
                return frozenset(urlsplit(text).hostname or "" for text in rows if text)
        except sqlalchemy.exc.DBAPIError:
            return self._found


def _host(scope: Scope) -> str:
    """The name asked for, without its port (RFC 9110 §7.2); HTTP/1.0 may name none."""
    given = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        return (urlsplit(f"//{given}").hostname or "").rstrip(".")
    except ValueError:
        return ""
