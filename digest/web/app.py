"""Every URL on one page (those of the API in api/routes.py), and what is answered when something goes wrong.

A GET never changes anything; POST changes what the link in the mail is for. Every path is served with and without a
trailing slash, because a mailbox provider that is redirected gives up (RFC 8058 §3.1).
"""

import re
from collections.abc import Awaitable, Callable

import sqlalchemy.exc
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import Receive, Scope, Send

from digest import database
from digest.articles.pictures import rows as pictures
from digest.web import guard, hosts, kept, offers, operations, public, render
from digest.web.api import route as api, routes
from digest.web.pages import (
    archive,
    atom,
    confirm,
    home,
    images,
    less,
    mail,
    manage,
    more,
    move,
    pause,
    person,
    problems,
    settings,
    subscribe,
    subscribe_json,
    topics,
    undo,
    unsubscribe,
)
from digest.web.parts import Parts

Page = Callable[[Request], Awaitable[Response]]

PATHS: dict[str, dict[str, Page]] = {
    "/": {"GET": home.show},
    "/unsubscribe/{token}": {"GET": unsubscribe.show, "POST": unsubscribe.act},
    "/less/{token}": {"GET": less.show, "POST": less.act},
    "/topics/{token}": {"GET": topics.show, "POST": topics.act},
    "/pause/{token}": {"GET": pause.show, "POST": pause.act},
    "/resume/{token}": {"GET": pause.show_resume, "POST": pause.resume},
    "/undo/{token}": {"GET": undo.show, "POST": undo.act},
    "/confirm/{token}": {"GET": confirm.show, "POST": confirm.act},
    "/subscribe/{slug}": {"GET": subscribe.show, "POST": subscribe.act, "OPTIONS": subscribe_json.preflight},
    "/embed/{slug}": {"GET": subscribe.show_framed, "POST": subscribe.act_framed},
    "/settings/{token}": {"GET": settings.show, "POST": settings.act},
    "/manage/{token}": {"GET": manage.show, "POST": manage.act},
    "/manage/{token}/data": {"GET": person.export},
    "/manage/{token}/erase": {"GET": person.show_erase, "POST": person.erase},
    "/moving/{token}": move.of(move.Side.OLD),
    "/address/{token}": move.of(move.Side.NEW),
    "/mail/{token}": {"GET": mail.show},
    "/mail/{token}/more": {"GET": more.show},
    "/archive/{slug}": {"GET": archive.show},
    "/archive/{slug}/{frequency}": {"GET": archive.show_dates},
    "/archive/{slug}/{frequency}/feed.atom": {"GET": atom.show},
    "/archive/{slug}/{frequency}/{date}": {"GET": archive.show_page},
    "/feed/{token}": {"GET": atom.show_own},
    pictures.PATH + "{name}": {"GET": images.show},
    "/health/live": {"GET": operations.live},
    "/health/ready": {"GET": operations.ready},
    "/metrics": {"GET": operations.metrics},
}
# What goes wrong on our side, and may go right in a minute.
FAILURES = (
    database.DatabaseError,
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
)


def create(parts: Parts) -> FastAPI:
    """The application."""
    app = FastAPI(title="digest", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    app.state.parts = parts
    app.state.pictures = images.Shelf()
    app.state.specs = kept.Kept[offers.Applied](offers.KEPT_SPECS)
    app.state.printed = kept.Kept[render.Printed](subscribe.KEPT_PAGES)
    app.state.archive = public.Memory()
    for path, doors in PATHS.items():
        for spelling in {path, path.rstrip("/") + "/"}:
            app.router.routes.append(Route(spelling, Doors(path, doors), include_in_schema=False))
    app.router.routes.append(_mounted(routes.create(parts, FAILURES)))
    app.add_exception_handler(HTTPException, problems.refused)
    app.add_exception_handler(ClientDisconnect, problems.hung_up)
    for failure in FAILURES:
        app.add_exception_handler(failure, problems.unavailable)
    app.add_exception_handler(Exception, problems.broken)
    app.add_middleware(hosts.Hosts, db=parts.db, base_url=parts.base_url, own=parts.hosts, failures=FAILURES)
    # Around all of it: what is added as a middleware stands inside of what answers a bug, and that page has a token in
    # its address too.
    app.middleware_stack = guard.Guard(app.build_middleware_stack(), hsts_days=parts.hsts_days)
    return app


def _mounted(site: FastAPI) -> Mount:
    mount = Mount(api.PREFIX, site)
    # Starlette's own takes no path with a line break, which then would be answered by a page.
    mount.path_regex = re.compile(mount.path_regex.pattern, re.DOTALL)
    return mount


class Doors:
    """The doors of one path, by method. HEAD is GET without a body, OPTIONS names the doors, others are refused."""

    def __init__(self, pattern: str, doors: dict[str, Page]) -> None:
        self.pattern = pattern
        self.doors = doors
        self.allowed = ", ".join(dict.fromkeys(("OPTIONS", *(["HEAD"] if "GET" in doors else []), *doors)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["pattern"] = self.pattern
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method == "OPTIONS" and "OPTIONS" not in self.doors:
            return Response(status_code=204, headers={"Allow": self.allowed})
        page = self.doors.get("GET" if request.method == "HEAD" else request.method)
        if page is None:
            raise HTTPException(405, headers={"Allow": self.allowed})
        return await page(request)
