"""How well limits of 200 and 20 mails a second hold while eight processes compete for them.

Each process asks for more than its share as often as a busy sender commits. What all got between two instants is
counted, against the time between them. On PostgreSQL with the durability of a real server, and on one SQLite file.
"""

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from digest import database
from digest.outbox import throttle
from digest.run import schema
from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
RATES = {"fast.example": 200.0, "slow.example": 20.0}
PROCESSES, SECONDS = 8, 10.0
# After all have started, for the first burst to be over.
WARM_SECONDS = 2.0
# Between two commits of a sender that is busy with other mail as well.
TURN_SECONDS = 0.02
LIMITS = {"deviation": 0.02}


def run() -> dict[str, Any]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        found["sqlite"] = _measure(f"sqlite:///{folder}/digest.db")
    with postgres.server("-c listen_addresses=") as url:
        found["postgresql"] = _measure(url)
    worst = max(abs(one["deviation"]) for figures in found.values() for one in figures["limits"].values())
    shares = {"deviation": round(worst / LIMITS["deviation"], 3)}
    return {**found, "limits": LIMITS, "share_of_limit": shares, "ok": shares["deviation"] <= 1}


def _measure(url: str) -> dict[str, Any]:
    asyncio.run(_prepare(url))
    command, environment = [sys.executable, __file__, url], os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    workers: list[Any] = [subprocess.Popen(command, **pipes) for _ in range(PROCESSES)]  # type: ignore[call-overload]
    for worker in workers:
        worker.stdout.readline()
    begin = time.time() + WARM_SECONDS
    for worker in workers:
        worker.stdin.write(f"{begin}\n")
        worker.stdin.flush()
    outputs = [json.loads(worker.communicate()[0]) for worker in workers]
    limits = {}
    for name, rate in RATES.items():
        shares = [one["granted"][name] for one in outputs]
        seen = sum(shares) / SECONDS
        limits[name] = {
            "rate": rate,
            "seen": round(seen, 2),
            "deviation": round(seen / rate - 1, 4),
            "least_and_most_of_a_process": [min(shares), max(shares)],
        }
    calls = sum(one["calls"] for one in outputs)
    wait = sorted(wait for one in outputs for wait in one["waits_ms"])
    return {
        "processes": PROCESSES,
        "seconds": SECONDS,
        "limits": limits,
        "calls_per_second": round(calls / SECONDS),
        "call_ms": {"median": wait[len(wait) // 2], "longest": wait[-1]},
    }


async def _prepare(url: str) -> None:
    db = database.connect(url)
    await schema.upgrade(db)
    await db.close()


async def _work(url: str) -> dict[str, Any]:
    """Say that we are ready, be told when it begins, ask until the end; what was granted in between."""
    db, tokens = database.connect(url), throttle.Tokens(throttle.Limits(destinations=RATES))
    granted, waits = dict.fromkeys(RATES, 0), []
    await db.ping()
    print("ready", flush=True)
    begin = float(sys.stdin.readline())
    while (now := time.time()) < begin + SECONDS:
        async with db.transaction() as connection:
            given = await tokens.take(connection, {("bench", name): int(rate) for name, rate in RATES.items()})
        if begin <= time.time() < begin + SECONDS:
            waits.append(round((time.time() - now) * 1000, 2))
            for (_, name), count in given.items():
                granted[name] += count
        await asyncio.sleep(TURN_SECONDS * random.uniform(0.5, 1.5))
    await db.close()
    return {"granted": granted, "calls": len(waits), "waits_ms": waits}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_work(sys.argv[1]))))
