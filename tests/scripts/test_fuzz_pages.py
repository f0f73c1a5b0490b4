"""The fuzz of the pages tells an answer from a breakdown."""

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import fuzz_pages
import pytest


def a_token(_path: str, _name: str) -> str:
    return "a.token"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that says the same to everybody; the URL it is at."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                with line:
                    line.recv(65_536)
                    line.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "status", "is_broken"),
    [
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "404", False),
        (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", "500", True),
        (b"", "closed", False),
    ],
)
def test_only_a_breakdown_counts(answer: bytes, status: str, is_broken: bool) -> None:
    with answering(answer) as url:
        pages = fuzz_pages.Pages(url, a_token, random.Random(1))
        pages.run(0.2)
    # A request larger than what the server reads may be cut off before the answer is read.
    assert pages.statuses[status] > 0.8 * pages.statuses.total() > 0
    assert bool(pages.broken) is is_broken


def test_the_same_seed_sends_the_same() -> None:
    first, second = (fuzz_pages.Pages("http://x", a_token, random.Random(7)) for _ in range(2))
    assert [first._request() for _ in range(50)] == [second._request() for _ in range(50)]
