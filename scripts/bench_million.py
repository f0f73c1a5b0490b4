"""An Edition for a million readers, sent by `digest serve` from one SQLite file: does it begin at once and run evenly?

The service runs before the Edition is due and does everything itself: plan, fill, compose, send. What left when is read
from the rows afterwards, so that watching costs the service next to nothing.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bench_case
import bench_list
import bench_machine
import bench_tools
import bench_worker
from bench_case import tell

from digest import database

LIMITS = {"first_mail_seconds": 10, "peak_memory_mb": 300, "memory_growth": 1.1, "cpu_end_of_start": 1.1}
FLOORS = {"rate_end_of_start": 0.9}
# The service needs some seconds to start, and looks at what is due at every full minute.
HEADSTART = timedelta(seconds=15)
LOOK_SECONDS, PATIENCE_SECONDS = 1.0, 3600
TENTHS = 10


def run(arguments: list[str]) -> dict[str, Any]:
    options = _options().parse_args(arguments)
    cores = bench_machine.cores()
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder, bench_tools.sink(cores.sink) as port:
        home = Path(folder)
        kind = bench_case.Kind(articles=2, is_signed=False)
        ours = bench_case.Installation(home, f"sqlite:///{folder}/digest.db", kind, options.connections)
        asyncio.run(ours.make(bench_list.Readers(bench_case.NEAR, kind.articles, 1, options.readers)))
        due_at = _next_minute(datetime.now(UTC) + HEADSTART)
        asyncio.run(_make_due(ours.url, due_at))
        with _serving(ours, port, cores.sender) as pid:
            samples = _watch(home / "digest.db", pid, due_at, options.readers)
        found = _figures(home / "digest.db", samples, due_at)
    shares = {name: found[name] / limit for name, limit in LIMITS.items()}
    shares |= {name: floor / found[name] for name, floor in FLOORS.items()}
    is_whole = found["mails"] == options.readers
    return {
        **found,
        "limits": {"at_most": LIMITS, "at_least": FLOORS},
        "share_of_limit": {name: round(share, 3) for name, share in shares.items()},
        "ok": is_whole and all(share <= 1 for share in shares.values()),
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench million")
    parser.add_argument("--readers", type=int, default=1_000_000, help="how many readers the Edition has (1000000)")
    parser.add_argument("--connections", type=int, default=64, help="connections to the sink (64)")
    return parser


def _next_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


async def _make_due(url: str, at: datetime) -> None:
    db = database.connect(url)
    await bench_list.make_due(db, bench_case.NEAR, 1, at)
    await db.close()


@contextlib.contextmanager
def _serving(ours: bench_case.Installation, port: int, core: int | None) -> Iterator[int]:
    """The process id of `digest serve` at work."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    environment |= {"PYTHONPATH": str(bench_worker.ROOT), "DIGEST_HOME": str(ours.home)}
    environment |= bench_worker.as_environment(
        bench_worker.settings(ours.url, f"smtp://127.0.0.1:{port}", connections=ours.connections)
    )
    with (ours.home / "serve.log").open("w") as said:
        command = [sys.executable, "-m", "digest", "serve", "--port", "0"]
        process = subprocess.Popen(command, env=environment, stderr=said, preexec_fn=lambda: bench_tools.pin(core))
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()


def _watch(path: Path, pid: int, due_at: datetime, readers: int) -> list[dict[str, float]]:
    """A look at the process every second until all is sent: its memory and what processor time it has taken."""
    samples, told = [], 0.0
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        time.sleep(LOOK_SECONDS)
        now = datetime.now(UTC)
        cpu, memory = bench_machine.cpu_seconds(pid), bench_machine.memory_mb(pid)
        samples.append({"at": now.timestamp(), "cpu": cpu, "memory_mb": memory})
        if now < due_at:
            continue
        if time.monotonic() > told + 15:
            told = time.monotonic()
            tell(f"  {(now - due_at).total_seconds():.0f} s after it was due: {cpu:.0f} s processor time, {memory} MB")
            if _is_over(path):
                return samples
    raise bench_case.UnsentError(f"{readers:,} mails were not sent within {PATIENCE_SECONDS} seconds")


def _is_over(path: Path) -> bool:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        unplanned = "SELECT 1 FROM editions WHERE state = 'planned'"
        (has_edition,) = db.execute("SELECT count(*) FROM editions").fetchone()
        left = db.execute(f"{unplanned} UNION ALL SELECT 1 FROM batches WHERE state <> 'done' LIMIT 1").fetchone()
    return bool(has_edition) and left is None


def _figures(path: Path, samples: list[dict[str, float]], due_at: datetime) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        states = dict(db.execute("SELECT state, count(*) FROM deliveries GROUP BY state").fetchall())
        ends = [
            datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()
            for (text,) in db.execute("SELECT finished_at FROM deliveries WHERE state = 'sent' ORDER BY finished_at")
        ]
    size = path.stat().st_size
    tenths = [_tenth(ends, samples, number) for number in range(TENTHS)]
    start, end = _mean(tenths[1:3]), _mean(tenths[-2:])
    # SQLite fills a cache of fixed size for each connection first: 32 MB, and there are some.
    settled = [one["memory_mb"] for one in samples if one["at"] >= ends[len(ends) * 3 // TENTHS]]
    return {
        "mails": states.get("sent", 0),
        "states": states,
        "first_mail_seconds": round(ends[0] - due_at.timestamp(), 2),
        "seconds": round(ends[-1] - due_at.timestamp(), 1),
        "per_second": round(len(ends) / (ends[-1] - ends[0])),
        "cpu_ms": round((samples[-1]["cpu"] - _at(samples, due_at.timestamp())) / len(ends) * 1000, 4),
        "peak_memory_mb": max(one["memory_mb"] for one in samples),
        "memory_growth": round(max(settled) / settled[0], 3),
        # The first tenth shares the process with filling the Edition.
        "rate_end_of_start": round(end["per_second"] / start["per_second"], 3),
        "cpu_end_of_start": round(end["cpu_ms"] / start["cpu_ms"], 3),
        "database_mb": round(size / 1_000_000),
        "tenths": tenths,
    }


def _tenth(ends: list[float], samples: list[dict[str, float]], number: int) -> dict[str, float]:
    first, last = number * len(ends) // TENTHS, (number + 1) * len(ends) // TENTHS - 1
    mails, began, ended = last - first, ends[first], ends[last]
    cpu = _at(samples, ended) - _at(samples, began)
    return {"per_second": round(mails / (ended - began)), "cpu_ms": round(cpu / mails * 1000, 4)}


def _at(samples: list[dict[str, float]], moment: float) -> float:
    """Processor time taken until then, between two looks in proportion."""
    for one, next_ in itertools.pairwise(samples):
        if one["at"] <= moment <= next_["at"]:
            share = (moment - one["at"]) / (next_["at"] - one["at"])
            return one["cpu"] + share * (next_["cpu"] - one["cpu"])
    return samples[-1]["cpu"] if moment > samples[-1]["at"] else samples[0]["cpu"]


def _mean(tenths: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(one[name] for one in tenths) / len(tenths) for name in tenths[0]}
