"""The OpenAPI document (3.1): what FastAPI reads from the doors, and what holds for all of them."""

import inspect
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

import digest
from digest import announcements
from digest.web.api import once, problems, route

# What any door may answer.
EVERYWHERE = (400, 401, 403, 408, 413, 415, 422, 429, 500, 503)
DESCRIPTION = """\
Everything a publisher's own programs need: hand in articles, bring in readers, watch and steer editions.

Bring a key: `Authorization: Bearer digest_…`. Keys are made by the operator with `digest keys new`, and open what
their scopes name. Bodies are JSON, problems are RFC 9457, lists go on with `cursor` and a `Link` header. `GET` answers
have an `ETag` to be sent back as `If-None-Match` (304) or, before a change, as `If-Match` (412). A `POST` or `PATCH`
with an `Idempotency-Key` is done once, however often it is sent within a day.
"""
TEXT = {"type": "string"}
PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What went wrong (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {**TEXT, "description": "Leads to what it means and what to do."},
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": TEXT,
        "instance": TEXT,
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["detail"],
                "properties": {
                    "detail": TEXT,
                    "pointer": {**TEXT, "description": "Where in the body (RFC 6901)."},
                    "parameter": {**TEXT, "description": "Which parameter or header."},
                },
            },
        },
    },
}
KEY_SCHEME = {"type": "http", "scheme": "bearer", "description": "A key from `digest keys new`."}


def _header(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": False,
        "description": description,
        "schema": {**TEXT, **schema},
    }


IDEMPOTENCY = _header(
    once.HEADER,
    "Makes it safe to send this again: the answer is kept for a day.",
    minLength=1,
    maxLength=once.MAX_NAME,
    pattern="^[ -~]+$",
)
IF_MATCH = _header("If-Match", "The ETag of what you mean to change: 412 if it changed since.")
IF_NONE_MATCH = _header("If-None-Match", "The ETag of what you have: 304 if nothing changed. With PUT, * makes only.")
# Said of answers by their status.
HEADERS = {
    "ETag": "Names this state of it.",
    "Link": "The next page, rel=next.",
    "Location": "Where it is.",
    "RateLimit": "How many requests are left, and for how many seconds.",
    "RateLimit-Policy": "How many requests a key has in how many seconds.",
    "Retry-After": "Seconds to wait.",
    "WWW-Authenticate": "How to bring a key.",
}
_ON = {
    200: ("ETag", "Link"),
    201: ("ETag", "Location"),
    304: ("ETag",),
    401: ("WWW-Authenticate",),
    429: ("Retry-After",),
}
TAGS = {
    "key": "The key you came with.",
    "publications": "What readers may choose. Read-only: files are the truth.",
    "articles": "What there is to say.",
    "subscribers": "Who asked to hear it. Each has a number, for addresses do not belong in URLs.",
    "editions": "What went out, or is about to.",
    "suppressions": "Whom nothing may be sent to, as keyed hashes.",
}


def operation_id(method: str, end: Callable[..., Any]) -> str:
    return f"{end.__module__.rpartition('.')[2]}_{end.__name__}_{method.lower()}"


def tag(path: str) -> str:
    """What kind of thing a path is about."""
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    kinds = [word for word in words if word in ("articles", "subscribers", "editions", "suppressions")]
    return kinds[0] if kinds else words[0]


def said_of(end: Callable[..., Any]) -> tuple[str, str]:
    """The summary and the rest of what a door says of itself."""
    first, stop, rest = (inspect.getdoc(end) or "").replace("\n\n", " \n\n").partition(". ")
    return first.rstrip(".").replace("\n", " ").strip(), rest.strip() if stop else ""


def responses(
    status: int, answer: type[BaseModel] | None, also: set[int], *, is_csv: bool
) -> dict[int | str, dict[str, Any]]:
    said: dict[int | str, dict[str, Any]] = {}
    for good in (status, *sorted(code for code in also if code < 300)):
        said[good] = {"description": "Done"} if answer is None else {"description": "Done", "model": answer}
        if is_csv:
            said[good]["content"] = {"text/csv": {"schema": TEXT}}
    if 304 in also:
        said[304] = {"description": "You have it already"}
    for bad in sorted({*EVERYWHERE, *(code for code in also if code >= 400)}):
        kind = problems.KINDS[problems.OF_STATUS[bad]]
        content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        said[bad] = {"description": kind.title, "content": content}
    for code, one in said.items():
        limits = ("RateLimit", "RateLimit-Policy") if code != 401 else ()
        names = (*limits, *_ON.get(int(code), ()))
        one["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}
    return said


def parameters(method: str, also: set[int]) -> list[dict[str, Any]]:
    """Headers that a door of this kind heeds."""
    found = [IDEMPOTENCY] if method in once.METHODS else []
    found += [IF_MATCH] if 412 in also else []
    return found + ([IF_NONE_MATCH] if method in ("GET", "PUT") else [])


def events() -> dict[str, Any]:
    """What endpoints are told (docs/webhooks.md), in the form OpenAPI 3.1 has for it."""
    object_ = {"type": "object"}
    said = {
        announcements.Event.EDITION_SENT: {"publication": TEXT, "edition": object_},
        announcements.Event.PING: {"hello": TEXT},
    }
    reader = {"publication": TEXT, "subscriber": object_, "what": TEXT, "door": TEXT}
    return {event.value: {"post": _event(event, said.get(event, reader))} for event in announcements.Event}


def _event(event: announcements.Event, data: dict[str, Any]) -> dict[str, Any]:
    members = {
        "type": {"const": event.value},
        "timestamp": {**TEXT, "format": "date-time"},
        "data": {"type": "object", "properties": data},
    }
    schema = {"type": "object", "required": list(members), "properties": members}
    return {
        "operationId": event.value.replace(".", "_"),
        "summary": f"An endpoint is told: {event.value}",
        "description": "Signed as the Standard Webhooks specification says.",
        "security": [],
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"2XX": {"description": "Taken"}, "410": {"description": "Tell nothing more"}},
    }


def of(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title="digest",
        version=digest.__version__,
        description=DESCRIPTION,
        routes=app.routes,
        openapi_version="3.1.0",
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        servers=[{"url": app.state.root}],
    )
    found["webhooks"] = events()
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = PROBLEM
    parts["securitySchemes"] = {route.SCHEME: KEY_SCHEME}
    parts["headers"] = {name: {"description": text, "schema": TEXT} for name, text in HEADERS.items()}
    for doors in found["paths"].values():
        for method, door in doors.items():
            statuses = set(map(int, door["responses"]))
            door["parameters"] = door.get("parameters", []) + parameters(method.upper(), statuses)
    return found
