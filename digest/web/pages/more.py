"""The exact list behind "… and 213 more" at the end of a mail: what it counted and did not name."""

import itertools

from starlette.requests import Request
from starlette.responses import Response

from digest.outbox import reading
from digest.web import visits

# Some 30 KB of page; a reader who was away for a year may have thousands.
PER_PAGE = 100


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    counted = await reading.rest(visit.parts.db, visit.token)
    if counted is None:
        return await visit.gone()
    last = max((len(counted) - 1) // PER_PAGE + 1, 1)
    number = _number(request, last)
    shown = counted[(number - 1) * PER_PAGE : number * PER_PAGE]
    names = {topic.slug: topic.name for topic in visit.standing.spec.topics}
    sections = [
        (names.get(slug or "", ""), list(group)) for slug, group in itertools.groupby(shown, lambda one: one.topic)
    ]
    return visit.page("more.html", sections=sections, count=len(counted), number=number, last=last)


def _number(request: Request, last: int) -> int:
    text = request.query_params.get("page", "1")
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 1
    return min(max(number, 1), last)
