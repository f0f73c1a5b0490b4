"""Health and metrics, for machines: alive is a process that answers, ready one that does its work.

Metrics tell how large the audience is and which relays it is reached by, so they are for those who bring the token. An
address is no proof: behind a web server on this machine, every request comes from this machine.
"""

import hmac

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from digest import metrics as figures
from digest.web import visits


async def live(_request: Request) -> Response:
    return JSONResponse({"status": "live"})


async def ready(request: Request) -> Response:
    """503 with the reasons when something keeps mail from leaving."""
    found = await visits.parts(request).probe()
    status = "ready" if found.is_ready else "not ready"
    body = {"status": status, "reasons": list(found.reasons), **found.facts}
    return JSONResponse(body, 200 if found.is_ready else 503)


async def metrics(request: Request) -> Response:
    """Without a token in the settings there is no such page."""
    parts = visits.parts(request)
    if parts.measure is None or not parts.metrics_token:
        raise HTTPException(404)
    if not brings(request, parts.metrics_token):
        raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
    return Response(await parts.measure(), media_type=figures.CONTENT_TYPE)


def brings(request: Request, token: str) -> bool:
    """Whether the request has this bearer token (RFC 6750 §2.1)."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    # In constant time, or the answer's delay would tell how much of a guess is right.
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode())
