"""The OpenAPI document (3.1): what FastAPI reads from the doors, and what holds for all of them."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

import digest
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
IDEMPOTENCY = {
    "name": once.HEADER,
    "in": "header",
    "required": False,
    "description": "Makes it safe to send this again: the answer is kept for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": once.MAX_NAME, "pattern": "^[ -~]+$"},
}


def operation_id(method: str, end: Callable[..., Any]) -> str:
    return f"{end.__module__.rpartition('.')[2]}_{end.__name__}_{method.lower()}"


def tag(path: str) -> str:
    """What kind of thing a path is about."""
    words = [word for word in path.split("/") if word and not word.startswith("{")]
    kinds = [word for word in words if word in ("articles", "subscribers", "editions", "suppressions")]
    return kinds[0] if kinds else words[0]


def responses(
    status: int, answer: type[BaseModel] | None, also: set[int], *, is_csv: bool
) -> dict[int | str, dict[str, Any]]:
    said: dict[int | str, dict[str, Any]] = {}
    for good in (status, *sorted(code for code in also if code < 300)):
        said[good] = {"description": "Done"} if answer is None else {"description": "Done", "model": answer}
        if is_csv:
            said[good]["content"] = {"text/csv": {"schema": TEXT}}
    for bad in sorted({*EVERYWHERE, *(code for code in also if code >= 400)}):
        kind = problems.KINDS[problems.OF_STATUS[bad]]
        content = {problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
        said[bad] = {"description": kind.title, "content": content}
    return said


def of(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title="digest", version=digest.__version__, description=DESCRIPTION, routes=app.routes, openapi_version="3.1.0"
    )
    found["servers"] = [{"url": app.state.root}]
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = PROBLEM
    parts["securitySchemes"] = {route.SCHEME: KEY_SCHEME}
    for doors in found["paths"].values():
        for method, door in doors.items():
            if method.upper() in once.METHODS:
                door.setdefault("parameters", []).append(IDEMPOTENCY)
    return found
