"""What everybody may see: the same for all who ask, so it may be kept by browsers, proxies and search engines.

No nonce, no token, no cookie: the Content-Security-Policy names the style by its hash, and equal content has an equal
ETag, so that who has it already is told so in a few bytes.
"""

import base64
import hashlib
import re
from datetime import datetime
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from digest import publications
from digest.web import render

# A retracted Article is gone everywhere within minutes.
KEPT = "public, max-age=300"
POLICY = (
    "default-src 'none'; style-src 'sha256-{style}'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# RFC 9110 §8.8.3; a proxy that compresses makes the tag a weak one.
_TAG = re.compile(r'(?:W/)?("[^"]*")')
_STYLE = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)


def page(request: Request, name: str, spec: publications.Spec, *, status: int = 200, **context: Any) -> Response:
    """A page in the Publication's look and language; `listed` ones may be found by search engines."""
    html = render.text(name, spec, None, nonce="", framed=False, scripted=False, **context)
    style = _STYLE.search(html)
    digest = base64.b64encode(hashlib.sha256(style[1].encode() if style else b"").digest()).decode()
    response = answer(request, html, spec, media_type="text/html", status=status)
    response.headers["Content-Security-Policy"] = POLICY.format(style=digest)
    return response


def answer(
    request: Request,
    text: str,
    spec: publications.Spec,
    *,
    media_type: str,
    status: int = 200,
    modified: datetime | None = None,
) -> Response:
    """The text, or 304 for who has it already. Nothing but a 200 is kept."""
    tag = tag_of(text)
    headers = {"X-Robots-Tag": robots(spec)}
    if status != 200:
        return Response(text, status, headers=headers, media_type=media_type)
    headers |= {"Cache-Control": KEPT, "ETag": tag}
    if modified:
        headers["Last-Modified"] = format_datetime(modified.replace(microsecond=0), usegmt=True)
    if is_known(request, tag, modified):
        return Response(status_code=304, headers=headers)
    return Response(text, headers=headers, media_type=media_type)


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
    except (ValueError, TypeError):
        # No date, or one without a zone.
        return False


def robots(spec: publications.Spec) -> str:
    return "all" if spec.archive == "listed" else "noindex"
