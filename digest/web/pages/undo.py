"""Taking back one's last change, for a day."""

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest.audience import failing, trail, undoing
from digest.web import forms, visits


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    return visit.refusal() or visit.page("undo.html")


async def act(request: Request) -> Response:
    await forms.read(request)
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        if refusal := visit.refusal():
            return refusal
        await undoing.undo(connection, visit.token.subscription_id, door=trail.Door.PAGE, now=visit.now)
        await failing.reactivate(connection, [visit.token.subscription_id], door=trail.Door.PAGE, now=visit.now)
    after = await visits.look(request)
    if after is None:
        return visits.lost(request)
    # Where the day is over, the page of those who left says how to come back.
    return after.page("left.html" if after.has_left else "changed.html")


async def bring_back(connection: AsyncConnection, visit: visits.Visit) -> None:
    """Who has just left and chooses something else after all is a reader again; so is whose mail we had given up."""
    if visit.has_left:
        await undoing.undo(connection, visit.token.subscription_id, door=trail.Door.PAGE, now=visit.now)
    await failing.reactivate(connection, [visit.token.subscription_id], door=trail.Door.PAGE, now=visit.now)
