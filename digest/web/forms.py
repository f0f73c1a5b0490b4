"""Form bodies, told by what they hold and not by what their content type claims (RFC 8058 §3.2).

Mailbox providers post the one-click body urlencoded or as multipart, and some with a wrong content type.
"""

import asyncio
import re
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

# A body of some bytes needs no longer, and whoever dribbles it would hold a connection for ever.
BODY_SECONDS = 10
# Far more than any Publication has topics, each of which is a field; so many are read within a millisecond.
MAX_FIELDS = 1000
_NAME = re.compile(rb'\bname="?([^";\r\n]{1,100})"?', re.IGNORECASE)
# Our own forms carry this field, so that a page's button can be told from a provider's.
FROM_PAGE = "page"


async def read(request: Request) -> dict[str, str]:
    """The fields of the body; none when it is no form. Raises HTTPException 413 when they are too many."""
    form = parse(await body(request))
    if form is None:
        # Some of them or none would be another wish than the one that was sent.
        raise HTTPException(413)
    return form


async def body(request: Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.body()
    except TimeoutError:
        raise HTTPException(408) from None


def parse(body: bytes) -> dict[str, str] | None:
    """None when it has more fields than MAX_FIELDS."""
    return _multipart(body) if body.lstrip().startswith(b"--") else _urlencoded(body)


def is_from_page(form: dict[str, str]) -> bool:
    return FROM_PAGE in form and form.get("List-Unsubscribe") != "One-Click"


def _urlencoded(body: bytes) -> dict[str, str] | None:
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace").strip(), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        return None
    return {name: value.strip() for name, value in pairs}


def _multipart(body: bytes) -> dict[str, str] | None:
    """The first line is the boundary, whatever the header says it is."""
    boundary = body.lstrip().split(b"\n", 1)[0].strip()
    # What stands behind the last boundary is not a field.
    parts = body.split(boundary)[1:]
    if len(parts) > MAX_FIELDS + 1:
        return None
    form = {}
    for part in parts:
        head, _, value = part.replace(b"\r\n", b"\n").partition(b"\n\n")
        name = _NAME.search(head)
        if name:
            form[name[1].decode("utf-8", "replace")] = value.decode("utf-8", "replace").strip()
    return form
