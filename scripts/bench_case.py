"""One length of mail and the installation that sends it: its readers, its key, its rounds.

A round is an Edition for readers who had none yet, planned and filled before the clock starts. What sends is a process
of its own; its first round also pays for connections and the first look at the templates.
"""

import asyncio
import dataclasses
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bench_list
import bench_peers
import bench_worker

from digest import database
from digest.outbox import signing_keys
from digest.run import schema

SELECTOR = "bench"
NEAR, FAR = "near", "far"


class UnsentError(Exception):
    """Mails were not accepted, so there is nothing to compare."""


@dataclasses.dataclass(frozen=True)
class Kind:
    """Mails with this many Articles, signed by us or not."""

    articles: int
    is_signed: bool


class Installation:
    """One database with its readers, and whoever sends to them."""

    def __init__(self, home: Path, url: str, kind: Kind, connections: int) -> None:
        self.home, self.url, self.kind, self.connections = home, url, kind, connections
        self.key = home / "dkim.pem"
        self._rounds: dict[str, int] = {}

    async def make(self, *lists: bench_list.Readers) -> None:
        if self.kind.is_signed:
            signing_keys.make(self.key, "rsa")
        db = database.connect(self.url)
        await schema.upgrade(db)
        for readers in lists:
            tell(f"  {db.engine.dialect.name}: making {readers.total:,} readers of '{readers.slug}'")
            await bench_list.make(db, readers)
        await db.close()

    def captured(self) -> Path:
        """One of the mails, as it leaves."""
        self._queue(NEAR, 0)
        folder = self.home / "captured"
        with self.worker(f"file://{folder}") as worker:
            worker.send()
        return max(folder.glob("*.eml"))

    def worker(self, smtp_url: str, *, core: int | None = None, name: str = "worker", connections: int = 0) -> Any:
        """A sending process, as a context."""
        keys = [{"domain": "example.org", "selector": SELECTOR, "key_file": str(self.key)}]
        more = {"dkim": {"keys": keys}} if self.kind.is_signed else {}
        settings = bench_worker.settings(self.url, smtp_url, connections=connections or self.connections, **more)
        return bench_worker.started(bench_worker.Order(str(self.home), settings, core, name))

    def send(
        self,
        workers: Sequence[bench_worker.Worker],
        slug: str = NEAR,
        *,
        beside: Callable[[], float] | None = None,
        ready: Callable[[], None] | None = None,
    ) -> dict[str, float]:
        """One round by all of these at once: what they took together.

        `ready` is called when all is queued; `beside` tells the processor seconds that others have taken.
        """
        self._rounds[slug] = self._rounds.get(slug, 0) + 1
        self._queue(slug, self._rounds[slug])
        if ready:
            ready()
        before = beside() if beside else 0.0
        for worker in workers:
            worker.go()
        answers = [worker.hear() for worker in workers]
        after = beside() if beside else 0.0
        found = _together(answers)
        if beside:
            found["server_cpu_ms"] = round((after - before) / found["mails"] * 1000, 4)
        return found

    def _queue(self, slug: str, round_: int) -> None:
        asyncio.run(bench_list.queue(database.connect(self.url), slug, round_))


def _together(answers: list[dict[str, Any]]) -> dict[str, float]:
    for answer in answers:
        if answer["others"]:
            raise UnsentError(f"not all mails were accepted: {answer['others']}")
    mails = sum(answer["mails"] for answer in answers)
    cpu = sum(answer["user"] + answer["system"] for answer in answers)
    found = bench_peers.figures(mails, cpu, max(answer["seconds"] for answer in answers))
    found["user_ms"] = round(sum(answer["user"] for answer in answers) / mails * 1000, 4)
    found["switches"] = round(sum(answer["switches"] for answer in answers) / mails, 2)
    found["peak_memory_mb"] = max(answer["peak_memory_mb"] for answer in answers)
    return found


def tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
