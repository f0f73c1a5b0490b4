"""What went wrong, as problem details (RFC 9457): one form for every refusal, from a missing key to a bug of ours.

400 is a request that has not the documented form; 422 has it, and is refused for what it says. Only `errors` quote what
was sent, and only by where it stands.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pydantic
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest import database, errors, publications
from digest.articles import submit
from digest.audience import signup
from digest.editions import held
from digest.web.pages.problems import RETRY_SECONDS

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """A problem that may occur; `type` in an answer leads to its `help`."""

    status: int
    title: str
    help: str


KINDS = {
    "malformed": Kind(400, "Malformed request", "The request has not the form the OpenAPI document describes."),
    "unauthorized": Kind(
        401, "No valid key", "Send Authorization: Bearer KEY. The operator makes keys with: digest keys new"
    ),
    "forbidden": Kind(403, "The key does not open this", "It lacks the scope, or is bound to another publication."),
    "not-found": Kind(404, "Not found", "There is no such thing, or it was erased."),
    "method-not-allowed": Kind(405, "Method not allowed", "The Allow header names those that are."),
    "timeout": Kind(408, "The request did not arrive", "Send its body without long pauses."),
    "conflict": Kind(409, "Conflict", "How things stand does not allow it; the detail says why."),
    "changed-since": Kind(412, "Changed since", "Get it again, and send your change with its new ETag."),
    "too-large": Kind(413, "Too large", "Send less at once; lists of readers can be split."),
    "media-type": Kind(415, "Unsupported media type", "Send a body of the type the OpenAPI document names."),
    "refused": Kind(422, "Refused", "The form is right, but what it says cannot be; the errors say where."),
    "key-reused": Kind(422, "Idempotency-Key used before", "Take a new Idempotency-Key for each new request."),
    "too-many": Kind(429, "Too many requests", "Wait for as many seconds as Retry-After says."),
    "broken": Kind(500, "Something broke on our side", "It was logged. Trying again may help."),
    "unavailable": Kind(503, "Not available at the moment", "Try again after as many seconds as Retry-After says."),
}
OF_STATUS = {kind.status: name for name, kind in reversed(KINDS.items()) if name != "key-reused"}
# Values that have the form a schema can describe, and are wrong all the same.
_REFUSED = ("value_error", "datetime_", "date_", "time_", "timezone_", "url_")


@dataclass
class Problem(Exception):
    """Ends a request. `faults` say which parts of it are wrong."""

    name: str
    detail: str
    faults: list[dict[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)


def refuse(detail: str, pointer: str = "") -> Problem:
    return Problem("refused", detail, [{"detail": detail, "pointer": pointer}] if pointer else [])


def response(request: Request, problem: Problem) -> Response:
    kind = KINDS[problem.name]
    document: dict[str, Any] = {
        "type": f"{request.app.state.root}/problems/{problem.name}",
        "title": kind.title,
        "status": kind.status,
        "detail": problem.detail,
        "instance": request.url.path,
    }
    if problem.faults:
        document["errors"] = problem.faults
    return JSONResponse(document, kind.status, problem.headers, media_type=MEDIA_TYPE)


def of(error: errors.DigestError | HTTPException | RequestValidationError | Problem) -> Problem:
    """What a mistake is called here."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return invalid(error.errors())
    if isinstance(error, HTTPException):
        name = OF_STATUS.get(error.status_code, "malformed")
        return Problem(name, KINDS[name].help, headers=dict(error.headers or {}))
    if isinstance(error, database.DatabaseError):
        return Problem("unavailable", KINDS["unavailable"].help, headers={"Retry-After": RETRY_SECONDS})
    name = next((name for kind, name in _OF_ERROR.items() if isinstance(error, kind)), "refused")
    return Problem(name, str(error))


_OF_ERROR: Mapping[type[errors.DigestError], str] = {
    publications.PublicationError: "not-found",
    submit.SubmitError: "refused",
    signup.SignupError: "conflict",
    held.EditionError: "conflict",
}


def invalid(faults: Iterable[Any]) -> Problem:
    """What a schema found, each by its place."""
    listed = list(faults)
    is_refused = all(fault["type"].startswith(_REFUSED) for fault in listed)
    shown = [_fault(fault) for fault in listed[:20]]
    return Problem("refused" if is_refused else "malformed", shown[0]["detail"], shown)


def of_schema(error: pydantic.ValidationError) -> Problem:
    """The same of a body that was looked at later."""
    return invalid({**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_context=False))


def _fault(fault: Mapping[str, Any]) -> dict[str, str]:
    where, *path = fault["loc"]
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "json_invalid" or where != "body":
        place = {"pointer": "#"} if where == "body" else {"parameter": str(path[0] if path else where)}
        return {"detail": message, **place}
    return {"detail": message, "pointer": "#" + "".join(f"/{_escaped(str(part))}" for part in path)}


def _escaped(part: str) -> str:
    """As JSON Pointer wants it (RFC 6901 §3). Names that were sent may be anything, and as long."""
    return part[:100].replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()


async def refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException | RequestValidationError | Problem | errors.DigestError)
    return response(request, of(error))


async def unavailable(request: Request, _error: Exception) -> Response:
    problem = Problem("unavailable", KINDS["unavailable"].help, headers={"Retry-After": RETRY_SECONDS})
    return response(request, problem)


async def broken(request: Request, _error: Exception) -> Response:
    return response(request, Problem("broken", KINDS["broken"].help))
