"""Metrics at an address of their own, for processes that have no pages and for whoever keeps the two apart.

Reads and leaves nothing itself: `run/meter.py` knows the figures.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import structlog
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from digest import errors, metrics, urls
from digest.run.meter import Meter
from digest.settings import Metrics
from digest.web import operations

# Processes on one machine that can have an address each.
PORTS = 32

log = structlog.get_logger()


class ListenError(errors.DigestError):
    """Metrics cannot be served at this address."""


@contextlib.asynccontextmanager
async def served(settings: Metrics, meter: Meter) -> AsyncIterator[str | None]:
    """Serve /metrics at the address of its own while the block runs; yields its URL, None if none is set.

    Raises ListenError.
    """
    place = urls.host_and_port(settings.listen)
    if place is None:
        yield None
        return
    with _listen(*place) as listening:
        server = Server(uvicorn.Config(_app(settings, meter), log_config=None, access_log=False, lifespan="off"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        url = f"{url_of(listening)}/metrics"
        log.info("metrics_served", url=url)
        try:
            yield url
        finally:
            server.should_exit = True
            await serving


class Server(uvicorn.Server):
    """uvicorn without its own signal handlers: stopping is one decision for all parts of a process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _app(settings: Metrics, meter: Meter) -> Starlette:
    token = settings.secret()

    async def show(request: Request) -> Response:
        if token and not operations.brings(request, token):
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"})
        return Response(await meter.text(), media_type=metrics.CONTENT_TYPE)

    return Starlette(routes=[Route("/metrics", show)])


def _listen(host: str, port: int) -> socket.socket:
    """The first port from this one on that is free: several processes of ours share one machine and one setting."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(port, min(port + PORTS, 65536)):
        try:
            return socket.create_server((host, number), family=family)
        except OSError as error:
            failure = error
    raise ListenError(f"cannot serve metrics at {host}:{port}: {failure.strerror}; choose another metrics.listen")
