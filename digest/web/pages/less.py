"""Less often: any slower frequency on offer. Who has just left may come back for fewer mails."""

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest import publications
from digest.audience import preferences, trail
from digest.web import forms, visits
from digest.web.pages import undo


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    return visit.refusal() or visit.page("less.html")


async def act(request: Request) -> Response:
    """The form names the frequency, so that sending it twice is the same as once."""
    wanted = (await forms.read(request)).get("frequency", "")
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        if refusal := visit.refusal():
            return refusal
        if wanted not in (visit.standing.choice.frequency, *_slower(visit)):
            return visit.page("less.html", status=400, mistake=True)
        visit = await undo.bring_back(connection, visit)
        await _slow_down(connection, visit, wanted)
    after = await visits.look(request)
    return after.page("changed.html") if after else visits.lost(request)


def _slower(visit: visits.Visit) -> tuple[str, ...]:
    return preferences.slower(visit.standing.spec, visit.standing.choice.frequency)


async def _slow_down(connection: AsyncConnection, visit: visits.Visit, frequency: str) -> None:
    found = visit.standing
    spec: publications.Spec = found.spec
    if frequency == found.choice.frequency:
        return
    choice = preferences.fulfil(spec, preferences.Wish(frequency), found.choice)
    await preferences.change(
        connection, found.subscription, choice, door=trail.Door.PAGE, now=visit.now, tell=spec.settings_changed
    )
