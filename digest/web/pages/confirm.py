"""Confirming a sign-up: a button behind a link that lives three days. Opening the link confirms nothing."""

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from digest import links
from digest.audience import signup, standing
from digest.web import forms, offers, render, visits

# Long enough for a weekend; whoever comes later signs up again in a moment.
MAX_AGE = timedelta(hours=72)


async def show(request: Request) -> Response:
    return await _page(request, _read(request))


async def act(request: Request) -> Response:
    await forms.read(request)
    parts, token = visits.parts(request), _read(request)
    if token is not None:
        async with parts.db.transaction() as connection:
            await signup.confirm(connection, parts.hasher, token, now=parts.clock())
    return await _page(request, token)


def _read(request: Request) -> links.ConfirmToken | None:
    parts = visits.parts(request)
    return parts.signer.read_confirm_token(request.path_params["token"], parts.clock(), MAX_AGE)


async def _page(request: Request, token: links.ConfirmToken | None) -> Response:
    """How it stands now, which is the truth after GET and POST alike."""
    if token is None:
        return render.page("stale.html", status=410, locale=render.tongue(request))
    async with visits.parts(request).db.glance() as connection:
        found = await standing.find(connection, token.subscription_id)
        answer = await signup.judge(connection, found, token)
    if found is None or answer is signup.Confirming.STALE:
        return render.page("stale.html", status=410, locale=render.tongue(request))
    name = "confirmed.html" if answer is signup.Confirming.ALREADY else "confirm.html"
    parts = visits.parts(request)
    words = {
        "root": visits.root(parts, found),
        "token": request.path_params["token"],
        "reader": visits.masked(found.email),
        "choice": found.choice,
        "first_at": offers.first_at(found.spec, found.choice, parts.clock()),
    }
    return render.page(name, found.spec, locale=found.subscription.locale, **words)
