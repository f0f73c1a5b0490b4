"""What everybody may see: the same for all who ask, so it may be kept by browsers, proxies and search engines.

No nonce, no token, no cookie: the Content-Security-Policy names the style by its hash, and equal content has an equal
ETag, so that who has it already is told so in a few bytes.
"""

import base64
import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from digest import publications
from digest.web import render

# A retracted Article is gone everywhere within minutes.
KEPT = "public, max-age=300"
# What we keep ourselves: some 10 MB of pages, and for how long.
ROOM, SECONDS = 256, 20.0
POLICY = (
    "default-src 'none'; style-src 'sha256-{style}'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# RFC 9110 §8.8.3; a proxy that compresses makes the tag a weak one.
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Made:
    """What is answered, whoever asks. Nothing but a 200 is kept by anybody."""

    text: str
    media_type: str
    status: int = 200
    policy: str | None = None
    modified: datetime | None = None


class Memory:
    """What was made last: when a date goes round, thousands ask for one page in the same minutes.

    The key says as of what a page was made, so an edit or a retraction shows at once; a new date after some seconds.
    """

    def __init__(self, room: int = ROOM) -> None:
        self._room = room
        self._kept: OrderedDict[tuple[Any, ...], tuple[float, Made]] = OrderedDict()

    async def get(self, key: tuple[Any, ...], make: Callable[[], Awaitable[Made]]) -> Made:
        until, made = self._kept.get(key, (0.0, None))
        if made is None or until < time.monotonic():
            made = await make()
            if made.status == 200:
                self._put(key, made)
        return made

    def _put(self, key: tuple[Any, ...], made: Made) -> None:
        self._kept[key] = (time.monotonic() + SECONDS, made)
        self._kept.move_to_end(key)
        while len(self._kept) > self._room:
            self._kept.popitem(last=False)


def page(name: str, spec: publications.Spec, *, status: int = 200, **context: Any) -> Made:
    """A page in the Publication's look and language."""
    html = render.text(name, spec, None, nonce="", framed=False, scripted=False, **context)
    style = _STYLE.search(html)
    digest = base64.b64encode(hashlib.sha256(style[1].encode() if style else b"").digest()).decode()
    return Made(html, "text/html", status, POLICY.format(style=digest))


def answer(request: Request, spec: publications.Spec, made: Made) -> Response:
    """The text, or 304 for who has it already; `listed` archives may be found by search engines."""
    headers = {"Content-Security-Policy": made.policy} if made.policy else {}
    if made.status != 200:
        return Response(made.text, made.status, headers=headers, media_type=made.media_type)
    tag = tag_of(made.text)
    headers |= {"Cache-Control": KEPT, "ETag": tag, "X-Robots-Tag": robots(spec)}
    if made.modified:
        headers["Last-Modified"] = format_datetime(made.modified.replace(microsecond=0), usegmt=True)
    if is_known(request, tag, made.modified):
        return Response(status_code=304, headers=headers)
    return Response(made.text, headers=headers, media_type=made.media_type)


def tag_of(text: str) -> str:
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'


def is_known(request: Request, tag: str, modified: datetime | None) -> bool:
    """Whether the asker has it. Who sends a tag is judged by that alone (RFC 9110 §13.1.3)."""
    tags = request.headers.get("if-none-match")
    if tags is not None:
        return tags.strip() == "*" or tag in _TAG.findall(tags)
    since = request.headers.get("if-modified-since")
    if since is None or modified is None:
        return False
    try:
        return modified.replace(microsecond=0) <= parsedate_to_datetime(since)
    except (ValueError, TypeError, OverflowError):
        # No date, one without a zone, or one of a year that no clock shows.
        return False


def robots(spec: publications.Spec) -> str:
    return "all" if spec.archive == "listed" else "noindex"
