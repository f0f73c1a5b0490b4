"""All settings of one person on one page: each a form of its own, which says all of it, so that sending it twice is
the same as once. What each form does stands in `web.acts`.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from digest.audience import address_changes, standing
from digest.web import acts, choices, forms, managing


async def show(request: Request) -> Response:
    visit = await managing.look(request)
    return _page(visit) if isinstance(visit, managing.Visit) else visit


async def act(request: Request) -> Response:
    """What a form names, for the Publication it names; then the page as it is now, at that place."""
    form = await forms.read(request)
    async with managing.change(request) as (connection, visit):
        if not isinstance(visit, managing.Visit):
            return visit
        at = visit.by_slug.get(form.get("publication", ""))
        act_ = acts.find(form.get("act", ""), visit, at) if at else None
        mistakes = await act_(acts.Place(connection, visit, at), form) if at and act_ else {}
    # Looked at once more, for the page also tells of the next mail, whether something was changed or not.
    after = await managing.look(request)
    if not isinstance(after, managing.Visit):
        return after
    if at is None or act_ is None:
        return _page(after, status=400, at=at)
    if mistakes:
        return _page(after, status=400, at=at, did=form["act"], mistakes=mistakes, typed=form)
    return _page(after, at=at, did=form["act"])


def _page(
    visit: managing.Visit,
    *,
    status: int = 200,
    at: standing.Standing | None = None,
    did: str = "",
    mistakes: acts.Mistakes | None = None,
    typed: dict[str, str] | None = None,
) -> Response:
    words = {
        "did": did,
        "at": at.spec.slug if at else "",
        "mistakes": mistakes or {},
        "typed": typed or {},
        "zones": choices.zones_of(visit.here.subscription.locale or visit.here.spec.locale),
        "languages": choices.languages(),
        "offered": {slug: acts.offered(one) for slug, one in visit.by_slug.items()},
        "moving": _moving(visit),
        "limits": acts.limits(visit),
    }
    return visit.page("manage.html", status=status, **words)


def _moving(visit: managing.Visit) -> dict[str, Any] | None:
    row = visit.moving
    until = row and row.asked_at + address_changes.LASTS
    return row and {**row._mapping, "until": until}
