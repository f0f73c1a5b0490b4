"""How fast Editions are planned and filled for a million readers, on SQLite and on PostgreSQL.

Each Edition is planned and filled by a process of its own that does nothing else, so that its peak memory tells. The
PostgreSQL server is a throwaway one with the durability of a real one. `run()` returns the figures and their limits.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import bench_data
import sqlalchemy as sa

from digest import database
from digest.audience import importing, models as audience, rows, suppression
from digest.editions import contents, models as editions, plan
from digest.outbox import fill, lease, models as outbox, notices, retry
from digest.publications import Publication
from digest.run import schema
from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
LIMITS = {
    "idle_tick_ms": 10,
    "edition_seconds": {"sqlite": 8, "postgresql": 20},
    # PostgreSQL locks single rows, so how long a slice takes is of no consequence there.
    "longest_write_lock_ms": {"sqlite": 100},
    "peak_memory_mb": 250,
    # A million readers against a hundred thousand: no more than SQLite's page cache, 32 MB once it is full.
    "memory_growth": 1.25,
}
MILLION = 1_000_000
IDLE_ROUNDS, IMPORTED_ROWS = 200, 100_000
# Hours apart, so that each Edition is due by itself.
STANDING = bench_data.Audience("standing", MILLION, bench_data.NOW + timedelta(days=30), cadences=1500)
DUE = (
    bench_data.Audience("small", MILLION // 10, bench_data.NOW + timedelta(hours=1)),
    bench_data.Audience("million", MILLION, bench_data.NOW + timedelta(hours=2)),
    bench_data.Audience("many-topic-sets", MILLION // 5, bench_data.NOW + timedelta(hours=3), topic_sets=1000),
    bench_data.Audience("nothing-new", MILLION // 5, bench_data.NOW + timedelta(hours=4), is_quiet=True),
)


def run() -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with _sqlite() as url:
        figures["sqlite"] = asyncio.run(_measure(url)) | asyncio.run(_import(url))
    with _postgresql() as url:
        figures["postgresql"] = asyncio.run(_measure(url))
    verdicts = {name: _verdict(name, found) for name, found in figures.items()}
    return {**figures, "limits": LIMITS, "share_of_limit": verdicts, "ok": all(_kept(v) for v in verdicts.values())}


def _verdict(name: str, found: dict[str, Any]) -> dict[str, float]:
    """Each figure as a share of its limit: up to 1 is kept."""
    million, small = found["editions"]["million"], found["editions"]["small"]
    shares = {
        "idle_tick": found["idle"]["plan"]["median_ms"] / LIMITS["idle_tick_ms"],
        "edition": million["seconds"] / LIMITS["edition_seconds"][name],
        "peak_memory": max(one["peak_memory_mb"] for one in found["editions"].values()) / LIMITS["peak_memory_mb"],
        "memory_growth": million["peak_memory_mb"] / small["peak_memory_mb"] / LIMITS["memory_growth"],
    }
    if name in LIMITS["longest_write_lock_ms"]:
        held = [*found["editions"].values(), found["all_due_at_once"]]
        longest = max(one["longest_write_lock_ms"] for one in held)
        shares["write_lock"] = longest / LIMITS["longest_write_lock_ms"][name]
    return {what: round(share, 3) for what, share in shares.items()}


def _kept(shares: dict[str, float]) -> bool:
    return all(share <= 1 for share in shares.values())


@contextmanager
def _sqlite() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        yield f"sqlite:///{folder}/digest.db"


@contextmanager
def _postgresql() -> Iterator[str]:
    with postgres.server("-c listen_addresses=") as url:
        yield url


async def _measure(url: str) -> dict[str, Any]:
    db = database.connect(url)
    try:
        await schema.upgrade(db)
        for one in (STANDING, *DUE):
            _tell(f"{db.engine.dialect.name}: making {one.readers:,} readers of '{one.slug}'")
            await bench_data.make(db, one)
        await bench_data.let_settle(db)
        found = {one.slug: _in_own_process(url, one.slug) for one in DUE}
        return {"editions": found, "idle": await _idle(db), "all_due_at_once": await _all_due(_Timed(db.engine))}
    finally:
        await db.close()


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _in_own_process(url: str, slug: str) -> dict[str, Any]:
    _tell(f"  filling '{slug}'")
    path = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
    command = [sys.executable, __file__, url, slug]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE, check=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    _tell(f"    {figures}")
    return figures


async def _idle(db: database.Database) -> dict[str, Any]:
    """Passes that find nothing due, beside a million Deliveries that wait to be sent."""
    now, filler = bench_data.NOW + timedelta(hours=5), fill.Filler(contents.Shelves(), contents.Topics())
    passes: dict[str, Callable[[], Awaitable[Any]]] = {
        "plan": lambda: plan.run(db, plan.Policy(), now),
        "fill": lambda: fill.run(db, filler, now),
        "notices": lambda: notices.run(db, now),
        "retry": lambda: retry.run(db, batch_size=500, doubt="resend", now=now),
        "find_batch": lambda: lease.find_due(db),
    }
    return {name: await _milliseconds(work) for name, work in passes.items()}


async def _all_due(db: "_Timed") -> dict[str, float]:
    """Every standing Cadence due in the same tick, as after downtime. Planned only: filling is measured above."""
    _tell(f"  planning {STANDING.cadences:,} Editions")
    now = STANDING.due_at + timedelta(days=4)
    started, cpu = time.perf_counter(), time.process_time()
    planned = await plan.run(db, plan.Policy(flood_late=timedelta(days=99)), now)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    assert len(planned) >= STANDING.cadences
    return {"editions": len(planned), "seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), **db.locks()}


async def _milliseconds(work: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    walls, cpu = [], time.process_time()
    for _ in range(IDLE_ROUNDS):
        started = time.perf_counter()
        await work()
        walls.append((time.perf_counter() - started) * 1000)
    return {
        "median_ms": round(statistics.median(walls), 2),
        "p95_ms": round(statistics.quantiles(walls, n=20)[-1], 2),
        "cpu_ms": round((time.process_time() - cpu) / IDLE_ROUNDS * 1000, 2),
    }


async def _import(url: str) -> dict[str, Any]:
    """A list of readers as a publisher has it, from its lines to Subscriptions."""
    _tell(f"  importing {IMPORTED_ROWS:,} rows")
    db = _Timed(database.connect(url).engine)
    try:
        async with db.reading() as connection:
            publication = (await connection.execute(sa.select(Publication).where(Publication.slug == "small"))).one()
        hasher = suppression.Hasher(("a-key-that-nobody-ever-guesses-01234567",))
        order = importing.Order(publication, hasher, bench_data.NOW, confirmed=True)
        started, cpu = time.perf_counter(), time.process_time()
        report = await importing.run(db, rows.read(_lines()), order)
        wall, cpu = time.perf_counter() - started, time.process_time() - cpu
        assert report.imported == IMPORTED_ROWS, report.refused[:3]
        figures = {"rows": IMPORTED_ROWS, "rows_per_second": round(IMPORTED_ROWS / wall)}
        return {"import": figures | {"seconds": round(wall, 2), "cpu_seconds": round(cpu, 2), **db.locks()}}
    finally:
        await db.close()


def _lines() -> Iterable[str]:
    yield "email,name,frequency,timezone,topics\n"
    for number in range(IMPORTED_ROWS):
        yield f"reader{number}@example.org,Reader {number},daily,Europe/Berlin,topic-{number % 12}\n"


class _Timed(database.Database):
    """A Database that notes how long each write transaction was open: on SQLite, how long others had to wait."""

    def __init__(self, engine: Any) -> None:
        super().__init__(engine)
        self.took: list[float] = []

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Any]:
        # From BEGIN IMMEDIATE, once it has the lock, to after COMMIT. Rather too long: while COMMIT runs a checkpoint,
        # others may write again.
        async with super().transaction() as connection:
            started = time.perf_counter()
            yield connection
        self.took.append((time.perf_counter() - started) * 1000)

    def locks(self) -> dict[str, float]:
        return {
            "transactions": len(self.took),
            "median_write_lock_ms": round(statistics.median(self.took), 1),
            "longest_write_lock_ms": round(max(self.took), 1),
        }


async def fill_one(url: str, slug: str) -> dict[str, Any]:
    """Plan and fill the Edition of this Publication, and nothing else."""
    db = _Timed(database.connect(url).engine)
    cadence = audience.Cadence
    due = sa.select(sa.func.min(cadence.next_due_at)).join(Publication, Publication.id == cadence.publication_id)
    async with db.reading() as connection:
        now = (await connection.execute(due.where(Publication.slug == slug))).scalar_one()
    filler = fill.Filler(contents.Shelves(), contents.Topics())
    started, cpu = time.perf_counter(), time.process_time()
    (edition_id,) = await plan.run(db, plan.Policy(), now)
    settled, more = 0, True
    while more:
        filled = await fill.run(db, filler, now)
        settled, more = settled + filled.settled, filled.more
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    figures = {
        "deliveries": await _count(db, edition_id),
        "settled": settled,
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        **db.locks(),
        "peak_memory_mb": _peak_memory_mb(),
    }
    await db.close()
    return figures


async def _count(db: database.Database, edition_id: int) -> int:
    async with db.reading() as connection:
        state = sa.select(editions.Edition.state).where(editions.Edition.id == edition_id)
        assert (await connection.execute(state)).scalar_one() is editions.EditionState.FILLED
        count = sa.select(sa.func.count()).where(outbox.Delivery.edition_id == edition_id)
        return int((await connection.execute(count)).scalar_one())


def _peak_memory_mb() -> float:
    # Not getrusage: its maximum outlives exec, so it would show the parent's.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(fill_one(*sys.argv[1:]))))
