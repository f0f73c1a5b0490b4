"""A publisher's own program: a real HTTP server on loopback that takes webhooks, and verifies them as the Standard
Webhooks specification tells a receiver to, with nothing of ours.
"""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Told:
    """One request. `id`, `seconds` and `signatures` are its headers."""

    path: str
    id: str
    seconds: int
    signatures: tuple[str, ...]
    content_type: str
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def type(self) -> str:
        return str(self.body["type"])

    def is_signed_by(self, secret: str) -> bool:
        key = base64.b64decode(secret.split("_", 1)[1])
        content = b".".join([self.id.encode(), str(self.seconds).encode(), self.raw])
        wanted = base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()
        return f"v1,{wanted}" in self.signatures


class Receiver(ThreadingHTTPServer):
    """Answers 204, unless `answers` has something else for the next requests: a status, or (status, headers)."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[Told] = []
        self.answers: list[int | tuple[int, dict[str, str]]] = []
        self.always: int | None = None
        # Set while requests are to hang.
        self.hanging = threading.Event()
        self.released = threading.Event()

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"

    @property
    def types(self) -> list[str]:
        return [told.type for told in self.told]


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        told = Told(
            self.path,
            self.headers["webhook-id"],
            int(self.headers["webhook-timestamp"]),
            tuple(self.headers["webhook-signature"].split(" ")),
            self.headers["Content-Type"],
            raw,
        )
        self.server.told.append(told)
        if self.server.hanging.is_set():
            self.server.released.wait(30)
        answer = self.server.answers.pop(0) if self.server.answers else self.server.always or 204
        status, headers = answer if isinstance(answer, tuple) else (answer, {})
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read `told`."""


@contextlib.contextmanager
def running() -> Iterator[Receiver]:
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.released.set()
            server.shutdown()
            thread.join()
