"""From a mail to all settings: one button, which has a link mailed to the reader's own address.

A mail may be forwarded, and its links with it; so they open what is small, and whoever wants more must have the
mailbox. The answer is the same whether a mail was ordered now or a moment ago.
"""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest.audience import orders, standing, trail
from digest.web import forms, managing, render, visits


async def show(request: Request) -> Response:
    async with visits.parts(request).db.reading() as connection:
        return _page(request, await _find(request, connection), is_asked=False)


async def act(request: Request) -> Response:
    await forms.read(request)
    parts = visits.parts(request)
    if _subscription(request) is None:
        return visits.lost(request)
    async with parts.db.transaction() as connection:
        found = await _find(request, connection, lock=True)
        if found is not None and _may_ask(request, found):
            await orders.link(connection, found.subscription, door=trail.Door.PAGE, now=parts.clock())
    return _page(request, found, is_asked=True)


def _subscription(request: Request) -> tuple[int, int] | None:
    """Whose link it is, and as of which generation: one of a mail, or one to all settings that has expired."""
    token = visits.read_token(request) or managing.read_token(request)
    return (token.subscription_id, token.generation) if token else None


async def _find(request: Request, connection: AsyncConnection, *, lock: bool = False) -> standing.Standing | None:
    named = _subscription(request)
    return await standing.find(connection, named[0], lock=lock) if named else None


def _may_ask(request: Request, found: standing.Standing) -> bool:
    named = _subscription(request)
    return named is not None and managing.may_order(found, named[1])


def _page(request: Request, found: standing.Standing | None, *, is_asked: bool) -> Response:
    if found is None:
        return visits.lost(request)
    parts, token = visits.parts(request), request.path_params["token"]
    words: dict[str, Any] = {"root": visits.root(parts, found), "token": token, "reader": visits.masked(found.email)}
    locale = found.subscription.locale
    if not _may_ask(request, found):
        return render.page("old_link.html", found.spec, status=410, locale=locale, **words)
    return render.page("linked.html" if is_asked else "settings.html", found.spec, locale=locale, **words)
