"""Every URL of the API on one page, each with the scope it needs; and the application that answers there.

The OpenAPI document is made from the same lines, so what it says is what is done.
"""

import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, compile_path

from digest import errors
from digest.web.api import document, heads, once, problems, route
from digest.web.api.allowance import Allowance
from digest.web.api.answers import Page
from digest.web.api.doors import (
    articles,
    editions,
    kinds,
    publications,
    reader_lists,
    reader_shapes,
    subscribers,
    suppressions,
)
from digest.web.api.route import Door
from digest.web.pages.problems import hung_up
from digest.web.parts import Parts


class _Number(IntegerConvertor):
    """An id has as many digits as the largest there can be. Of some thousand Python makes no number: it raises, and
    that before anybody was asked for a key.
    """

    regex = "[0-9]{1,19}"


register_url_convertor("number", _Number())
End = Callable[..., Awaitable[Response]]
OF = "/publications/{publication}"
# A guid may hold slashes: many are URLs.
ARTICLE, EDITION = f"{OF}/articles/{{guid:path}}", f"{OF}/editions/{{id:number}}"
READERS, READER = f"{OF}/subscribers", f"{OF}/subscribers/{{id:number}}"
SUBSCRIBER, EDITION_SHAPE = reader_shapes.SubscriberShape, editions.EditionShape
SUPPRESSION = suppressions.SuppressionShape


@dataclass(frozen=True, slots=True)
class Line:
    """One URL. `also` are statuses besides those that follow from method and path."""

    method: str
    path: str
    end: End
    scope: str | None
    answer: type[BaseModel] | None
    status: int = 200
    also: tuple[int, ...] = ()

    @property
    def others(self) -> set[int]:
        unknown = {404} if "{" in self.path else set()
        by_method = {"GET": {304}}.get(self.method, {409} if self.method in once.METHODS else set())
        return {*self.also, *unknown, *by_method}


LINES = (
    Line("GET", "/key", publications.key, None, publications.KeyShape),
    Line("GET", "/publications", publications.listing, None, Page[publications.PublicationShape]),
    Line("GET", OF, publications.get, None, publications.PublicationShape),
    Line("GET", f"{OF}/articles", articles.listing, "articles:read", Page[articles.ArticleListed]),
    Line("GET", ARTICLE, articles.get, "articles:read", articles.ArticleShape),
    Line("PUT", ARTICLE, articles.put, "articles:write", articles.ArticleShape, 200, (201, 409, 412)),
    Line("DELETE", ARTICLE, articles.retract, "articles:write", articles.ArticleShape, 200, (412,)),
    Line("GET", READERS, subscribers.listing, "subscribers:read", Page[reader_shapes.SubscriberListed]),
    Line("POST", READERS, subscribers.create, "subscribers:write", SUBSCRIBER, 201, (200,)),
    Line("POST", f"{READERS}/lookup", subscribers.lookup, "subscribers:read", SUBSCRIBER),
    Line("POST", f"{READERS}/import", reader_lists.bring_in, "subscribers:write", reader_lists.ImportShape),
    Line("GET", f"{READERS}/export", reader_lists.export, "subscribers:read", None),
    Line("GET", READER, subscribers.get, "subscribers:read", SUBSCRIBER),
    Line("PATCH", READER, subscribers.change, "subscribers:write", SUBSCRIBER, 200, (412,)),
    Line("POST", f"{READER}/unsubscribe", subscribers.leave, "subscribers:write", SUBSCRIBER, 200, (412,)),
    Line("DELETE", READER, subscribers.erase, "subscribers:erase", None, 204, (409, 412)),
    Line("GET", f"{OF}/editions", editions.listing, "editions:read", Page[editions.EditionListed]),
    Line("POST", f"{OF}/editions/send-now", editions.send_now, "editions:write", editions.Planned, 202),
    Line("GET", EDITION, editions.get, "editions:read", EDITION_SHAPE),
    Line("POST", f"{EDITION}/release", editions.release, "editions:write", EDITION_SHAPE, 200, (412,)),
    Line("POST", f"{EDITION}/pause", editions.pause, "editions:write", EDITION_SHAPE, 200, (412,)),
    Line("POST", f"{EDITION}/resume", editions.resume, "editions:write", EDITION_SHAPE, 200, (412,)),
    Line("POST", f"{EDITION}/cancel", editions.cancel, "editions:write", EDITION_SHAPE, 200, (412,)),
    Line("GET", "/suppressions", suppressions.listing, "suppressions:read", Page[SUPPRESSION]),
    Line("POST", "/suppressions", suppressions.add, "suppressions:write", SUPPRESSION, 201, (200,)),
    Line("POST", "/suppressions/lookup", suppressions.lookup, "suppressions:read", SUPPRESSION, 200, (404,)),
    Line("DELETE", "/suppressions/{id:number}", suppressions.lift, "suppressions:write", None, 204, (412,)),
)
# Doors whose body or answer no shape describes.
SPECIAL: dict[End, dict[str, Any]] = {
    reader_lists.bring_in: {"requestBody": reader_lists.BODY},
    reader_lists.export: {"csv": True},
}


def create(parts: Parts, failures: tuple[type[Exception], ...]) -> FastAPI:
    """The application under PREFIX. `failures` are what goes wrong on our side and may go right in a minute."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.parts, app.state.allowance = parts, Allowance(parts.api_limit)
    app.state.root = parts.base_url.rstrip("/") + route.PREFIX
    app.router.routes += _doors()
    app.router.routes.append(Route("/openapi.json", _openapi, methods=["GET"]))
    app.router.routes.append(Route("/problems/{name}", kinds.show, methods=["GET"]))
    app.add_middleware(heads.Heads)
    app.add_exception_handler(405, _not_allowed)
    for mistake in (HTTPException, RequestValidationError, problems.Problem, errors.DigestError):
        app.add_exception_handler(mistake, problems.refused)
    app.add_exception_handler(ClientDisconnect, hung_up)
    for failure in failures:
        app.add_exception_handler(failure, problems.unavailable)
    app.add_exception_handler(Exception, problems.broken)
    return app


async def _not_allowed(request: Request, error: Exception) -> Response:
    """Starlette names the methods of one line; a path may have several."""
    path = request.url.path.removeprefix(request.scope["root_path"])
    allowed = sorted({line.method for line in LINES if compile_path(line.path)[0].match(path)})
    allowed += ["HEAD"] if "GET" in allowed else []
    headers = {"Allow": ", ".join(allowed)} if allowed else dict(getattr(error, "headers", None) or {})
    return await problems.refused(request, HTTPException(405, headers=headers))


async def _openapi(request: Request) -> Response:
    """Made when somebody asks for it: it takes longer than all the rest of starting."""
    app = request.app
    if app.openapi_schema is None:
        app.openapi_schema = document.of(app)
    return JSONResponse(app.openapi_schema)


@functools.cache
def _doors() -> list[BaseRoute]:
    """The same for every application."""
    router = APIRouter(route_class=Door)
    for line in LINES:
        special = SPECIAL.get(line.end, {})
        summary, description = document.said_of(line.end)
        extra: dict[str, Any] = {"security": [{route.SCHEME: [line.scope] if line.scope else []}]}
        if "requestBody" in special:
            extra["requestBody"] = special["requestBody"]
        router.add_api_route(
            line.path,
            line.end,
            methods=[line.method],
            status_code=line.status,
            response_model=None,
            summary=summary,
            description=description,
            operation_id=document.operation_id(line.method, line.end),
            tags=[document.tag(line.path)],
            responses=document.responses(line.status, line.answer, line.others, is_csv="csv" in special),
            openapi_extra=extra,
        )
    return router.routes
