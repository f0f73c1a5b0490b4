"""A far relay: a TCP proxy that holds every byte back for a while, in both directions, and limits nothing else.

`running()` starts it as a process of its own; a round trip through it takes twice the delay.
"""

import asyncio
import collections
import contextlib
import subprocess
import sys
from collections.abc import Iterator

import bench_tools


@contextlib.contextmanager
def running(port: int, delay: float, core: int | None) -> Iterator[int]:
    """The port of a proxy in front of `port`; `delay` in seconds, each way."""
    outside = bench_tools.free_port()
    command = [sys.executable, __file__, str(outside), str(port), str(delay), str(-1 if core is None else core)]
    with subprocess.Popen(command) as process:
        try:
            bench_tools.await_port(outside)
            yield outside
        finally:
            process.terminate()


class _End(asyncio.Protocol):
    """One end of a connection; what it hears is said at the other end after the delay, in order."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.other: _End | None = None
        self.transport: asyncio.Transport | None = None
        self.waiting: collections.deque[bytes] = collections.deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._later(data)

    def connection_lost(self, _error: Exception | None) -> None:
        self._later(b"")

    def _later(self, data: bytes) -> None:
        # Timers of the same delay fire in any order when they fall together, so they only say "the next one".
        self.waiting.append(data)
        asyncio.get_running_loop().call_later(self.delay, self._pass_on)

    def _pass_on(self) -> None:
        data = self.waiting.popleft()
        if self.other is None or self.other.transport is None:
            return
        if data:
            self.other.transport.write(data)
        else:
            self.other.transport.close()


class _Outside(_End):
    """Opens its way inside when somebody connects."""

    def __init__(self, delay: float, port: int) -> None:
        super().__init__(delay)
        self.port = port
        self.opening: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.opening = asyncio.create_task(self._open())

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        _, inside = await loop.create_connection(lambda: _End(self.delay), "127.0.0.1", self.port)
        # SMTP servers speak first, so nothing was heard outside before.
        self.other, inside.other = inside, self


async def _serve(outside: int, port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Outside(delay, port), "127.0.0.1", outside)
    await server.serve_forever()


def _main() -> None:
    outside, port, delay, core = sys.argv[1:]
    bench_tools.pin(None if core == "-1" else int(core))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(int(outside), int(port), float(delay)))


if __name__ == "__main__":
    _main()
