"""Signing up from a script of the publisher's own: the same door with JSON in and out, from any site.

GET says what is on offer, POST takes a wish. Mistakes are problem documents (RFC 9457) that name the fields. No cookie
and no key is involved, so any site may ask (CORS): it could do so by a plain form anyway.
"""

import json
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest.web import forms, offers, reception, visits, wishes

JSON = "application/json"
PROBLEM = "application/problem+json"
# RFC 9457 §3 leaves the type to us; "about:blank" says that the status is all there is to it.
BLANK = "about:blank"
OPEN = {"Access-Control-Allow-Origin": "*", "Vary": "Accept, Accept-Language"}
DETAILS = {
    "missing": "is missing",
    "unknown": "is not one of those on offer",
    "invalid": "cannot be used",
    "disposable": "is a throw-away address",
    "duty": "is an address of a duty, not of a reader",
}


def is_wanted(request: Request) -> bool:
    """Browsers name HTML, and JSON only in passing."""
    accepted = request.headers.get("accept", "")
    return JSON in accepted and "text/html" not in accepted


def is_given(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == JSON


async def preflight(_request: Request) -> Response:
    """What a browser asks before it lets a script of another site post (Fetch standard, CORS protocol)."""
    allowed = {"Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "Content-Type"}
    headers = {"Allow": "OPTIONS, HEAD, GET, POST", "Access-Control-Max-Age": "86400"}
    return Response(status_code=204, headers=OPEN | allowed | headers)


async def show(request: Request) -> Response:
    """What is on offer, for a form of one's own."""
    found = await offers.find(request)
    spec, now = found.spec, visits.parts(request).clock()
    visitor = offers.visitor(request, spec, timezone=request.query_params.get("timezone", ""))
    body = {
        "publication": spec.slug,
        "name": spec.name,
        "is_open": spec.sign_up,
        "timezone": visitor.timezone,
        "language": visitor.language,
        "frequencies": [
            {"frequency": one.frequency, "first_at": one.first_at.isoformat() if one.first_at else None}
            for one in offers.on_offer(spec, visitor.timezone, now)
        ],
        "topics": [{"topic": topic.slug, "name": topic.name} for topic in spec.topics],
    }
    return JSONResponse(body, headers=OPEN)


async def act(request: Request) -> Response:
    found = await offers.find(request)
    if not found.spec.sign_up:
        return _problem(404, "this publication takes no sign-ups here")
    wish = wishes.from_json(await _body(request))
    if wish is None:
        return _problem(400, "send an object with email and perhaps frequency, topics, timezone and language")
    answer = await reception.receive(request, found, wish, place=reception.page_of(request))
    if answer is None:
        return _problem(429, "too many sign-ups came from there; try again in an hour", {"Retry-After": "3600"})
    if isinstance(answer, wishes.Mistakes):
        faults = [{"field": name, "detail": DETAILS[fault]} for name, fault in answer.fields.items()]
        return _problem(422, answer.detail or "some fields cannot be used", errors=faults)
    first_at = answer.first_at.isoformat() if answer.first_at else None
    return JSONResponse({"status": "asked", "frequency": answer.choice.frequency, "first_at": first_at}, 202, OPEN)


async def _body(request: Request) -> Any:
    try:
        return json.loads(await forms.body(request))
    except (ValueError, RecursionError):
        return None


def _problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> Response:
    body = {"type": BLANK, "status": status, "detail": detail, **more}
    return JSONResponse(body, status, OPEN | (headers or {}), media_type=PROBLEM)
