"""Health, for machines: alive is a process that answers, ready one that does its work."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest.web import visits


async def live(_request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def ready(request: Request) -> Response:
    """503 with the reasons when something keeps mail from leaving."""
    found = await visits.parts(request).probe()
    status = "ready" if found.is_ready else "not ready"
    body = {"status": status, "reasons": list(found.reasons), **found.facts}
    return JSONResponse(body, 200 if found.is_ready else 503)
