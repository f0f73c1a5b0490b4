"""The front door: says what this is and lists nothing."""

from starlette.requests import Request
from starlette.responses import Response

from digest.web import render


async def show(request: Request) -> Response:
    return render.page("home.html", locale=render.tongue(request))
