"""Topics: what a reader wants to hear about. The form says all of it, so that sending it twice is the same as once."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest.audience import preferences, trail
from digest.web import forms, visits
from digest.web.pages import undo

# What the form calls a topic; apart from its other fields, whatever a Publication names its topics.
FIELD = "topic-"


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    return visit.refusal() or visit.page("topics.html")


async def act(request: Request) -> Response:
    form = await forms.read(request)
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        if refusal := visit.refusal():
            return refusal
        chosen = wanted(form, visit.standing.spec.topic_slugs)
        if chosen is None:
            return visit.page("topics.html", status=400, mistake=True)
        visit = await undo.bring_back(connection, visit)
        await _choose(connection, visit, chosen)
    after = await visits.look(request)
    return after.page("changed.html") if after else visits.lost(request)


def wanted(form: Mapping[str, str], known: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those ticked; () for everything, None if nothing was chosen at all."""
    ticked = tuple(slug for slug in known if FIELD + slug in form)
    # Whoever ticks all there are means those to come as well, and what has no topic.
    if form.get("which") == "all" or (ticked and ticked == known):
        return ()
    return ticked or None


async def _choose(connection: AsyncConnection, visit: visits.Visit, wanted: tuple[str, ...]) -> None:
    found = visit.standing
    choice = preferences.fulfil(found.spec, preferences.Wish(topics=wanted), found.choice)
    await preferences.change(
        connection,
        found.subscription,
        choice,
        door=trail.Door.PAGE,
        now=visit.now,
        tell=found.spec.settings_changed,
    )
