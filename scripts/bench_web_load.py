"""A browser that costs next to nothing: requests over kept connections, and how long each answer took.

A process of its own on a core of its own. With a rate, requests leave when it is their turn, whatever became of those
before, and waiting for a free connection counts: a server that stands still for a second is seen to. Without one, each
connection sends as soon as it has its answer.
"""

import asyncio
import collections
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Ask:
    """One request."""

    path: str
    method: str = "GET"
    body: str = ""
    kind: str = "application/x-www-form-urlencoded"
    headers: tuple[tuple[str, str], ...] = ()

    def wire(self) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", "Host: news.example.org", "Accept-Language: en"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.method == "POST":
            lines += [f"Content-Type: {self.kind}", f"Content-Length: {len(self.body.encode())}"]
        return ("\r\n".join(lines) + "\r\n\r\n" + self.body).encode()


@dataclasses.dataclass(frozen=True)
class Load:
    """`rate` None: as fast as the connections go. `keep_times`: the milliseconds of each, in order of the requests."""

    port: int
    connections: int = 32
    rate: float | None = None
    keep_times: bool = False


def run(load: Load, asks: Sequence[Ask], folder: Path, core: int | None) -> dict[str, Any]:
    """Ask all of these, and wait for the answers."""
    return finish(start(load, asks, folder, core))


def start(load: Load, asks: Sequence[Ask], folder: Path, core: int | None) -> "subprocess.Popen[str]":
    asked = folder / "asks.json"
    asked.write_text(json.dumps([dataclasses.asdict(ask) for ask in asks]))
    order = json.dumps({"load": dataclasses.asdict(load), "asks": str(asked), "core": core})
    return subprocess.Popen([sys.executable, __file__, order], stdout=subprocess.PIPE, text=True)


def finish(process: "subprocess.Popen[str]") -> dict[str, Any]:
    said, _ = process.communicate()
    if process.returncode:
        raise RuntimeError("the asking process failed; see its words above")
    found: dict[str, Any] = json.loads(said)
    return found


class _Line(asyncio.Protocol):
    """One connection: a request, then its answer, then the next."""

    def __init__(self, crowd: "_Crowd") -> None:
        self.crowd, self.transport = crowd, None
        self.number, self.since, self.held = 0, 0.0, b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.crowd.is_free(self)

    def ask(self, number: int, since: float) -> None:
        self.number, self.since = number, since
        self.transport.write(self.crowd.wires[number])

    def data_received(self, data: bytes) -> None:
        self.held += data
        head, found, body = self.held.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self.held = b""
        self.crowd.answered(self.number, int(head[9:12]), time.perf_counter() - self.since)
        self.crowd.is_free(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self.crowd.lost()


def _length(head: bytes) -> int:
    lower = head.lower()
    start = lower.find(b"content-length:")
    return int(lower[start + 15 : (lower + b"\r").find(b"\r", start)]) if start >= 0 else 0


class _Crowd:
    """All connections, and what they heard."""

    def __init__(self, load: Load, wires: list[bytes]) -> None:
        self.load, self.wires = load, wires
        self.waiting: collections.deque[tuple[int, float]] = collections.deque()
        self.free: list[_Line] = []
        self.times = [0.0] * len(wires)
        self.statuses: collections.Counter[int] = collections.Counter()
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.left, self.next = len(wires), 0

    async def run(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        for _ in range(min(self.load.connections, len(self.wires))):
            await loop.create_connection(lambda: _Line(self), "127.0.0.1", self.load.port)
        began = time.perf_counter()
        if self.load.rate:
            await self._by_rate(began, 1 / self.load.rate)
        else:
            for line in list(self.free):
                self._onward(line)
        await self.over
        return self._figures(time.perf_counter() - began)

    async def _by_rate(self, began: float, pause: float) -> None:
        for number in range(len(self.wires)):
            due = began + number * pause
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            self.waiting.append((number, due))
            if self.free:
                self.free.pop().ask(*self.waiting.popleft())

    def _onward(self, line: _Line) -> None:
        if self.next < len(self.wires):
            self.next += 1
            line.ask(self.next - 1, time.perf_counter())

    def is_free(self, line: _Line) -> None:
        if self.waiting:
            line.ask(*self.waiting.popleft())
        elif self.load.rate is None and self.next:
            self._onward(line)
        else:
            self.free.append(line)

    def answered(self, number: int, status: int, seconds: float) -> None:
        self.times[number] = seconds
        self.statuses[status] += 1
        self.left -= 1
        if not self.left and not self.over.done():
            self.over.set_result(None)

    def lost(self) -> None:
        if not self.over.done():
            self.over.set_exception(RuntimeError("the server closed a connection"))

    def _figures(self, seconds: float) -> dict[str, Any]:
        ordered = sorted(self.times)
        shares = {"p50_ms": 0.5, "p90_ms": 0.9, "p99_ms": 0.99, "max_ms": 1.0}
        found = {name: round(ordered[_place(share, len(ordered))] * 1000, 2) for name, share in shares.items()}
        found |= {"requests": len(ordered), "seconds": round(seconds, 3), "per_second": round(len(ordered) / seconds)}
        found["statuses"] = dict(self.statuses)
        if self.load.keep_times:
            found["times_ms"] = [round(one * 1000, 4) for one in self.times]
        return found


def _place(share: float, count: int) -> int:
    return min(int(share * count), count - 1)


def _wires(path: str) -> Iterator[bytes]:
    for row in json.loads(Path(path).read_text()):
        yield Ask(**row | {"headers": tuple(map(tuple, row["headers"]))}).wire()


def _main() -> None:
    order = json.loads(sys.argv[1])
    if order["core"] is not None:
        os.sched_setaffinity(0, {order["core"]})
    import uvloop

    wires = list(_wires(order["asks"]))

    async def work() -> dict[str, Any]:
        return await _Crowd(Load(**order["load"]), wires).run()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(work())))


if __name__ == "__main__":
    _main()
