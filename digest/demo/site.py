"""The demonstration's web server on 127.0.0.1: the service's own site, the inbox, and the sample publisher's pages."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from digest import errors
from digest.demo.mailserver import HOST

# A browser keeps its connection open; ending does not wait for it.
GOODBYE_SECONDS = 1


class PortError(errors.DigestError):
    """The port asked for is taken."""


def listen(port: int) -> socket.socket:
    """A socket at this port, or at any free one for 0: the address must be known before the first mail is written."""
    listening = socket.socket()
    # Without it a demo started again at once would find its own port still in use.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise PortError(f"cannot listen at port {port}: {error.strerror}; choose another with --port") from None
    return listening


def address(listening: socket.socket) -> str:
    return f"http://{HOST}:{listening.getsockname()[1]}"


def application(routes: list[Route], site: ASGIApp) -> Starlette:
    """Our pages, and below them the site with everything its mails link to."""
    return Starlette(routes=[*routes, Mount("/", app=site)])


@contextlib.asynccontextmanager
async def served(app: ASGIApp, listening: socket.socket) -> AsyncIterator[None]:
    """Serve the application while the block runs."""
    # No access log: a token in a path is all it takes to act for a reader.
    settings = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GOODBYE_SECONDS
    )
    server = _Server(settings)
    task = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await server.ready.wait()
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    def __init__(self, settings: uvicorn.Config) -> None:
        super().__init__(settings)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        # Only now are requests answered: the first is our own, for the feed.
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ctrl-C is for the demonstration as a whole, which then stops us."""
        yield
