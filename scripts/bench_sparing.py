"""What a destination that wants one connection costs the others: nothing, or nearly so.

The same Edition goes twice to a sink of ours, a tenth of its readers at one destination: first while that is like all
others, then while it answers 421 on every connection but one. Told are the rates of the others, and how often the one
had to say so.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bench_case
import bench_jealous
import bench_list
import bench_tools

ROOT = Path(__file__).resolve().parent.parent
MAILS, DOMAINS, CONNECTIONS, ROUNDS = 10_000, 10, 16, 2
SINKS = ("tests.support.sink", "bench_jealous")
LIMITS = {"rate_of_others": 0.9, "busy_answers": 200}


def run() -> dict[str, Any]:
    bench_list.DOMAINS = DOMAINS
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        kind = bench_case.Kind(articles=2, is_signed=False)
        ours = bench_case.Installation(Path(folder), f"sqlite:///{folder}/digest.db", kind, CONNECTIONS)
        asyncio.run(ours.make(bench_list.Readers(bench_case.NEAR, kind.articles, 2 * ROUNDS + 1, MAILS)))
        # Not counted: what it reads for the first time the others find in memory.
        _round(ours, 1, "tests.support.sink")
        # In turns and the best of each, for others may be using the machine too.
        rounds = [_round(ours, 2 + number, SINKS[number % 2]) for number in range(2 * ROUNDS)]
    plain, jealous = (max(rounds[side::2], key=lambda one: one["others_per_second"]) for side in (0, 1))
    share = round(jealous["others_per_second"] / plain["others_per_second"], 3)
    is_kept = share >= LIMITS["rate_of_others"] and jealous["busy"] <= LIMITS["busy_answers"]
    return {"plain": plain, "jealous": jealous, "rate_of_others": share, "limits": LIMITS, "ok": is_kept}


def _round(ours: bench_case.Installation, number: int, module: str) -> dict[str, Any]:
    ledger = ours.home / f"ledger-{number}"
    with _sink(module, ledger) as port, ours.worker(f"smtp://127.0.0.1:{port}") as worker:
        asyncio.run(bench_list.queue(bench_case.database.connect(ours.url), bench_case.NEAR, number))
        answer = worker.send()
    lines = [line.split("\t") for line in ledger.read_text().splitlines()]
    kept = [(fields[5], float(fields[3])) for fields in lines if fields[0] == "kept"]
    mine = bench_jealous.DESTINATION.decode()
    others = [at for recipient, at in kept if mine not in recipient]
    return {
        "others_per_second": round((len(others) - 1) / (max(others) - min(others))),
        "others": len(others),
        "destination": len(kept) - len(others),
        "put_off": answer["others"].get("deferred", 0),
        "busy": sum(fields[0] == "busy" for fields in lines),
        "seconds": round(answer["seconds"], 2),
        "cpu_seconds": round(answer["user"] + answer["system"], 2),
    }


@contextmanager
def _sink(module: str, ledger: Path) -> Iterator[int]:
    port = bench_tools.free_port()
    place = ["-m", module, "--ledger", str(ledger), "--port", str(port)]
    if module == "bench_jealous":
        place = ["-m", module, str(ledger), str(port)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "scripts")])}
    with subprocess.Popen([sys.executable, *place], env=environment, stdout=subprocess.DEVNULL) as process:
        try:
            bench_tools.await_port(port)
            yield port
        finally:
            process.terminate()
