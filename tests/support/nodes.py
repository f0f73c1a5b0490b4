"""Real processes of the service beside the test: nodes that can be asked to end, or killed."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Self

from tests.support import cast
from tests.support.world import World

ROOT = Path(__file__).parents[2]
# A loaded machine needs some seconds to load Python and the program.
PATIENCE = 60
SERVE, WORKER = ("serve", "--port", "0"), ("worker",)


class Node:
    """`digest serve` or `digest worker` as a process of its own. What it says is kept in a file."""

    def __init__(self, process: asyncio.subprocess.Process, said: Path) -> None:
        self.process = process
        self._said = said

    @classmethod
    async def start(cls, world: World, url: str, name: str, verb: Sequence[str] = SERVE, **variables: str) -> Self:
        home = world.parts.home
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DIGEST_HOME": str(home),
            "DIGEST_INSTANCE": "test",
            "DIGEST_SECRET_KEYS": ",".join(cast.KEYS),
            "DIGEST_BASE_URL": "https://news.example.org",
            "DIGEST_DATABASE_URL": url,
            "DIGEST_SMTP_URL": world.server.url,
            "DIGEST_SMTP_CONNECTIONS": "4",
            "DIGEST_ENGINE_KIND": world.parts.settings.engine.kind,
        }
        said = home / f"{name}.log"
        with said.open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "digest", *verb),
                env=environment | variables,
                stdout=output,
                stderr=output,
            )
        return cls(process, said)

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def url(self) -> str:
        found = re.search(r"serving at (http://\S+);", self.said)
        assert found, self.said
        return found[1]

    def children(self) -> list[int]:
        """The processes this one has begun."""
        found = subprocess.run(["pgrep", "-P", str(self.process.pid)], capture_output=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    async def end(self) -> int:
        """As a service manager ends it; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), PATIENCE)

    async def kill(self) -> None:
        self.process.kill()
        await self.process.wait()


@contextlib.asynccontextmanager
async def running(
    world: World, url: str, count: int = 1, verb: Sequence[str] = SERVE, **variables: str
) -> AsyncIterator[list[Node]]:
    """So many nodes over one database; whoever is still there at the end is killed."""
    nodes = [await Node.start(world, url, f"{verb[0]}{number}", verb, **variables) for number in range(count)]
    try:
        yield nodes
    finally:
        for node in nodes:
            if node.process.returncode is None:
                await node.kill()


async def until(what: Callable[[], bool], nodes: list[Node], *, patience: float = PATIENCE) -> None:
    """Wait for something to be so; tells what the nodes said if it never is."""
    try:
        async with asyncio.timeout(patience):
            while not what():  # noqa: ASYNC110 - it is another process that tells
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError("\n".join(node.said for node in nodes)) from None
