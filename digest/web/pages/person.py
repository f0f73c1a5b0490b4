"""What a person may do with all we keep of them: take it along, or have it forgotten. By a fresh link only.

The file changes nothing, so a GET gives it; forgetting has a page of its own with a button, for nothing undoes it.
"""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from digest.audience import erase as erasing
from digest.outbox import disclosure
from digest.web import forms, managing, streams
from digest.web.api import once

FILE = 'attachment; filename="my-data.json"'


async def export(request: Request) -> Response:
    visit = await managing.look(request)
    if not isinstance(visit, managing.Visit):
        return visit
    document = disclosure.document(visit.parts.db, visit.here.subscription.subscriber_id)
    return StreamingResponse(
        streams.pieces(document), media_type="application/json", headers={"Content-Disposition": FILE}
    )


async def show_erase(request: Request) -> Response:
    visit = await managing.look(request)
    return visit.page("erase.html") if isinstance(visit, managing.Visit) else visit


async def erase(request: Request) -> Response:
    """Everything of this person goes, in every Publication; sent twice, the second finds nobody."""
    await forms.read(request)
    async with managing.change(request) as (connection, visit):
        if not isinstance(visit, managing.Visit):
            return visit
        await erasing.erase(connection, visit.parts.hasher, visit.here.address_key, now=visit.now)
        await once.forget(connection, visit.here.email)
    return visit.page("erased.html")
