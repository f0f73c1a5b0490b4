"""The two yeses to another address, each behind the link that was mailed to one of them. Their order does not matter.

Opening a link agrees to nothing. The old address is shown the new one masked, and the new one nothing of the old.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from digest import links
from digest.audience import address_changes, standing
from digest.web import forms, render, visits

Side = address_changes.Side
Page = Callable[[Request], Awaitable[Response]]


def of(side: Side) -> dict[str, Page]:
    """The doors of one side."""

    async def show(request: Request) -> Response:
        return await _page(request, side)

    async def act(request: Request) -> Response:
        await forms.read(request)
        parts, token = visits.parts(request), _read(request, side)
        if token is not None:
            async with parts.db.transaction() as connection:
                await address_changes.agree(connection, parts.hasher, token, side, now=parts.clock())
        return await _page(request, side)

    return {"GET": show, "POST": act}


def _read(request: Request, side: Side) -> links.ChangeToken | None:
    parts, text = visits.parts(request), request.path_params["token"]
    read = parts.signer.read_moving_token if side is Side.OLD else parts.signer.read_address_token
    return read(text, parts.clock(), address_changes.LASTS)


async def _page(request: Request, side: Side) -> Response:
    """How it stands now, which is the truth after GET and POST alike."""
    parts, token = visits.parts(request), _read(request, side)
    if token is None:
        return _gone(request)
    async with parts.db.reading() as connection:
        row = await address_changes.get(connection, token, parts.clock())
        found = await standing.find(connection, row.subscription_id) if row else None
    if row is None or found is None:
        return _gone(request)
    path = "moving" if side is Side.OLD else "address"
    words: dict[str, Any] = {
        "root": visits.root(parts, found),
        "path": path,
        "token": request.path_params["token"],
        "stands": address_changes.judge(row, side).value,
        "new": visits.masked(row.email),
    }
    return render.page("move.html", found.spec, locale=found.subscription.locale, **words)


def _gone(request: Request) -> Response:
    return render.page("move_gone.html", status=410, locale=render.tongue(request))
