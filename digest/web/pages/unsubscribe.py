"""Unsubscribing: by the mailbox provider's button (RFC 8058) and by our own page.

Both post to the address in the List-Unsubscribe header; the body tells them apart. One-click gets the same answer for
every token, valid or not; a link from before the reader came back changes nothing unless its page said so first.
"""

import functools

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from digest import links
from digest.audience import trail, unsubscribe
from digest.web import forms, visits
from digest.web.parts import Parts


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    return visit.page("left.html" if visit.has_left else "unsubscribe.html")


async def act(request: Request) -> Response:
    # Not `read`, which turns away what is too much for a form.
    form = forms.parse(await forms.body(request)) or {}
    if forms.is_from_page(form):
        return await (_explain(request, form) if form[forms.FROM_PAGE] == "reason" else _by_page(request))
    # Whatever else a provider sends is meant as one-click: a wish to leave that we overlook becomes a complaint.
    await _one_click(visits.parts(request), visits.read_token(request))
    return PlainTextResponse("Your request to unsubscribe has been received.\n")


async def _one_click(parts: Parts, token: links.MailToken | None) -> None:
    if token is None:
        return
    async with parts.db.glance() as connection:
        answer = await unsubscribe.find_answer(connection, token)
    if answer is unsubscribe.Leaving.LEFT:
        work = functools.partial(unsubscribe.leave, token=token, door=trail.Door.ONE_CLICK, now=parts.clock())
        await parts.clerk.run(work, order=token.subscription_id)


async def _by_page(request: Request) -> Response:
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        door, now = trail.Door.PAGE, visit.now
        await unsubscribe.leave(connection, visit.token, door=door, now=now, any_generation=True)
    after = await visits.look(request)
    return after.page("left.html") if after else visits.lost(request)


async def _explain(request: Request, form: dict[str, str]) -> Response:
    """Why they left, for those who care to say. It changes nothing else, and asks for nothing."""
    said = form.get("reason", "")
    reason = unsubscribe.Reason(said) if said in set(unsubscribe.Reason) else None
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        if refusal := visit.refusal():
            return refusal
        if reason and visit.has_left:
            await unsubscribe.explain(connection, visit.token.subscription_id, reason, now=visit.now)
    after = await visits.look(request)
    if after is None:
        return visits.lost(request)
    return after.page("left.html", thanked=reason is not None) if after.has_left else after.page("changed.html")
