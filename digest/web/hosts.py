"""Answers for its own names only: a page of another site that resolves to us (DNS rebinding) gets nothing.

Its own are the names in links (base_url, of the installation and of each Publication), those in the settings, and this
machine itself, which is what a proxy says that passes no name on. Health and metrics answer to any, for machines ask by
whatever address they have.
"""

import asyncio
import time
from urllib.parse import urlsplit

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from digest import database, publications, urls
from digest.web.pages import problems

EXEMPT = ("/health/", "/metrics")
# How often names we do not know may make us look for new Publications.
LOOK_SECONDS = 10.0
MISDIRECTED = 421  # RFC 9110 §15.5.20


class Hosts:
    """ASGI middleware. `own` are host names without ports, `failures` what goes right again by itself."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        db: database.Database,
        base_url: str,
        own: tuple[str, ...] = (),
        failures: tuple[type[Exception], ...] = (),
    ) -> None:
        self.app, self._db, self._failures = app, db, failures
        self._given = frozenset({*map(str.lower, own), urlsplit(base_url).hostname or ""})
        self._found: frozenset[str] = frozenset()
        self._looked_at: float | None = None
        self._look: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            is_ours = scope["type"] != "http" or scope["path"].startswith(EXEMPT) or await self._knows(_host(scope))
        except self._failures as error:
            # Said here, for what turns failures into pages stands inside of us.
            answer = await problems.unavailable(Request(scope), error)
            await answer(scope, receive, send)
            return
        if is_ours:
            await self.app(scope, receive, send)
            return
        refusal = PlainTextResponse("There is nothing under this name.\n", MISDIRECTED)
        await refusal(scope, receive, send)

    async def _knows(self, host: str) -> bool:
        if host in self._given or urls.is_loopback_host(host) or host in self._found:
            return True
        if self._looked_at is None or time.monotonic() - self._looked_at >= LOOK_SECONDS:
            await self._looked()
        return host in self._found

    async def _looked(self) -> None:
        """Wait for a look: one for all who come meanwhile, and not ended by the first of them hanging up.

        Whoever were turned away during a look could be at a name of ours: a provider takes a 421 for an answer, and
        does not send its one-click again.
        """
        if self._look is None:
            self._look = asyncio.create_task(self._learn())
        await asyncio.shield(self._look)

    async def _learn(self) -> None:
        try:
            self._found = await self._of_publications()
        except self._failures:
            # As long as nothing is known, any name may be ours. Later, what is known will do until the next look.
            if self._looked_at is None:
                raise
        finally:
            self._look = None
        self._looked_at = time.monotonic()

    async def _of_publications(self) -> frozenset[str]:
        column = publications.Publication.spec["base_url"].as_string()
        async with self._db.reading() as connection:
            rows = (await connection.execute(sa.select(column))).scalars()
            return frozenset(urlsplit(text).hostname or "" for text in rows if text)


def _host(scope: Scope) -> str:
    """The name asked for, without its port (RFC 9110 §7.2); HTTP/1.0 may name none."""
    given = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
    try:
        return (urlsplit(f"//{given}").hostname or "").rstrip(".")
    except ValueError:
        return ""
