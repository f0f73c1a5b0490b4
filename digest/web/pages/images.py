"""Copies of pictures, as mails name them: for everybody, for ever the same, and so kept by whoever asks.

The name is the hash of the content, so nothing behind a name ever changes. Thousands of readers open a mail in the
same minutes; what they ask for stays in memory meanwhile.
"""

import re
from collections import OrderedDict

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest import database
from digest.articles.models import Picture
from digest.web import visits

NAME = re.compile(r"[0-9a-f]{40}\.(jpg|png)")
TYPES = {"jpg": "image/jpeg", "png": "image/png"}
# RFC 8246: browsers and proxies need not even ask whether it is still so.
KEPT = "public, max-age=31536000, immutable"
MEMORY = 32 * 1024 * 1024  # bytes: the pictures of some twenty digests


class Shelf:
    """The pictures asked for last."""

    def __init__(self, room: int = MEMORY) -> None:
        self._room, self._used = room, 0
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    async def get(self, db: database.Database, name: str) -> bytes | None:
        if name in self._kept:
            self._kept.move_to_end(name)
            return self._kept[name]
        async with db.reading() as connection:
            content = await connection.scalar(sa.select(Picture.content).where(Picture.name == name))
        if content is not None and name not in self._kept:
            self._put(name, content)
        return content

    def _put(self, name: str, content: bytes) -> None:
        self._kept[name] = content
        self._used += len(content)
        while self._used > self._room:
            _, oldest = self._kept.popitem(last=False)
            self._used -= len(oldest)


async def show(request: Request) -> Response:
    name = request.path_params["name"]
    match = NAME.fullmatch(name)
    tag = f'"{name}"'
    headers = {"Cache-Control": KEPT, "ETag": tag, "Cross-Origin-Resource-Policy": "cross-origin"}
    content = await request.app.state.pictures.get(visits.parts(request).db, name) if match else None
    if match is None or content is None:
        raise HTTPException(404)
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=TYPES[match[1]], headers=headers)
