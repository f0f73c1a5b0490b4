"""A real HTTP server for feeds, on loopback, that answers by script and remembers what it was asked.

    with feedserver.serve({"/feed.xml": Reply(body=b"<rss/>")}) as server:
        server.url("/feed.xml")

A list of replies is given in turn, the last one again and again. Replies can be slow, endless or broken.
"""

import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# Signed by itself, for the host feeds.example.org, used nowhere but here; valid for a hundred years.
CERTIFICATE = Path(__file__).with_name("feeds.example.org.pem")


@dataclass(frozen=True)
class Reply:
    """`trickle` seconds pass before each piece of `chunks`, which follow `body`; `raw` replaces the whole answer."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    trickle: float = 0.0
    raw: bytes | None = None


@dataclass(frozen=True)
class Request:
    path: str
    headers: Message


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a trickling reply must not keep the test waiting

    def __init__(self, replies: Mapping[str, Reply | list[Reply]]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.replies = dict(replies)
        self.requests: list[Request] = []
        self.stopping = threading.Event()
        self.scheme = "http"

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def next_reply(self, path: str) -> Reply:
        found = self.replies.get(path.partition("?")[0], Reply(404))
        if isinstance(found, Reply):
            return found
        return found.pop(0) if len(found) > 1 else found[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up are what these tests are about; nothing to print."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.close_connection = True
        self.server.requests.append(Request(self.path, self.headers))
        reply = self.server.next_reply(self.path)
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            return
        self.send_response(reply.status)
        headers = {"Content-Length": str(len(reply.body))} if not reply.chunks else {}
        for name, value in {**headers, "Connection": "close", **reply.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(reply.body)
        self._trickle(reply)

    def _trickle(self, reply: Reply) -> None:
        for chunk in reply.chunks:
            if self.server.stopping.wait(reply.trickle):
                return
            self.wfile.write(chunk)
            self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serve(replies: Mapping[str, Reply | list[Reply]], *, tls: bool = False) -> Iterator[Server]:
    server = Server(replies)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(CERTIFICATE)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.scheme = "https"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join()
