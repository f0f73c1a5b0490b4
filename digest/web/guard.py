"""What holds for every request: body limit, headers, and one log line that never shows a token.

A token in a path is all it takes to act for a reader, so paths are logged as their pattern: /unsubscribe/{token}.
The server's own access log must stay off for the same reason.
"""

import re
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The one-click body has 26 bytes and our longest form some hundred; more is a mistake or an attack.
MAX_BODY = 64 * 1024
# Articles of a publisher, and lists of readers: behind a key, which is asked for before the body is read.
MAX_BODIES = ((re.compile(r"/api/v1/.+/subscribers/import"), 10_000_000), (re.compile(r"/api/v1/.*"), 2_000_000))
HEADERS = {
    "Referrer-Policy": "no-referrer",
    "X-Robots-Tag": "noindex, nofollow",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

log = structlog.get_logger()


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, *, hsts_days: int = 0) -> None:
        self.app = app
        # RFC 6797 §7.2: not over plain HTTP, where anybody could have said it.
        self._hsts = f"max-age={hsts_days * 24 * 3600}" if hsts_days else ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                if self._hsts and scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", self._hsts)
            await send(message)

        try:
            await self.app(scope, _limited(scope, receive), answer)
        finally:
            _told(scope, status, time.monotonic() - started)


def _limited(scope: Scope, receive: Receive) -> Receive:
    seen, most = 0, _limit(scope["path"])

    async def read() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if max(seen, _declared(scope)) > most:
            raise HTTPException(413)
        return message

    return read


def _limit(path: str) -> int:
    return next((limit for form, limit in MAX_BODIES if form.fullmatch(path)), MAX_BODY)


def _declared(scope: Scope) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


def _told(scope: MutableMapping[str, Any], status: int, seconds: float) -> None:
    pattern = scope.get("pattern", "(none)")
    log.info("web.request", method=scope["method"], path=pattern, status=status, ms=round(seconds * 1000, 1))
