"""Taking back one's last change, for a day."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest.audience import failing, standing, trail, undoing
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


async def bring_back(connection: AsyncConnection, visit: visits.Visit) -> visits.Visit:
    """Who has just left and chooses something else after all is a reader again; so is whose mail we had given up.

    The visit with how they stand by now: what has gone from the offer meanwhile did not come back with them.
    """
    id_ = visit.token.subscription_id
    if visit.has_left:
        await undoing.undo(connection, id_, door=trail.Door.PAGE, now=visit.now)
    await failing.reactivate(connection, [id_], door=trail.Door.PAGE, now=visit.now)
    found = await standing.find(connection, id_)
    return replace(visit, standing=found) if found else visit
