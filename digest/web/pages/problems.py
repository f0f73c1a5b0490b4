"""Pages for what goes wrong: they say what happened and what to do, and nothing about the inside."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest.web import render

# Long enough for a database to come back, short enough for a provider to try its one-click again.
RETRY_SECONDS = "60"


async def refused(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 400
    known = status in (404, 405, 408, 410, 413)
    response = _page(request, status, str(status) if known else "400")
    if isinstance(error, HTTPException) and error.headers:
        response.headers.update(error.headers)
    return response


async def unavailable(request: Request, _error: Exception) -> Response:
    response = _page(request, 503, "503")
    response.headers["Retry-After"] = RETRY_SECONDS
    return response


async def broken(request: Request, _error: Exception) -> Response:
    return _page(request, 500, "500")


async def hung_up(_request: Request, _error: Exception) -> Response:
    """Nobody is there to read it."""
    return Response(status_code=400)


def _page(request: Request, status: int, problem: str) -> Response:
    return render.page("problem.html", status=status, locale=render.tongue(request), problem=problem)
