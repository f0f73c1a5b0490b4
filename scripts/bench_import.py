"""What bringing in a list takes: a million readers from one CSV, one line in a hundred wrong, into an empty database.

The verb itself is run, as a process of its own, whose memory must not grow with the list.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import bench_machine
import bench_worker

LIMITS = {"seconds": 60, "peak_memory_mb": 300}
LOOK_SECONDS = 0.25
WRONG_EVERY = 100
ZONES = ("Europe/Berlin", "Europe/London", "America/New_York", "Asia/Tokyo", "Africa/Cairo")
FREQUENCIES = ("daily", "weekly", "weekdays", "monthly")
TOPICS = ("cardiology", "nutrition", "mental-health", "child-health")


def run(arguments: list[str]) -> dict[str, Any]:
    options = _options().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        home = Path(folder)
        _digest(home, "init")
        path = home / "readers.csv"
        _write(path, options.readers)
        found = _imported(home, path) | {"file_mb": round(path.stat().st_size / 1_000_000)}
    shares = {name: round(found[name] / limit, 3) for name, limit in LIMITS.items()}
    is_whole = found["lines"] == options.readers and found["refused"] == options.readers // WRONG_EVERY
    return {**found, "limits": LIMITS, "share_of_limit": shares, "ok": is_whole and max(shares.values()) <= 1}


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench import")
    parser.add_argument("--readers", type=int, default=1_000_000, help="lines of the CSV (1000000)")
    return parser


def _write(path: Path, lines: int) -> None:
    chance = random.Random(7)
    with path.open("w", encoding="utf-8") as file:
        file.write("email,name,frequency,timezone,send_at,topics,consented_at\n")
        for number in range(lines):
            address = f"reader{number}@d{number % 997}.example.org" if number % WRONG_EVERY else f"reader {number}"
            topics = ";".join(chance.sample(TOPICS, number % 3))
            zone, frequency = chance.choice(ZONES), chance.choice(FREQUENCIES)
            file.write(f"{address},Reader {number},{frequency},{zone},0{number % 10}:30,{topics},2024-03-05\n")


def _imported(home: Path, path: Path) -> dict[str, Any]:
    report = home / "report.csv"
    command = _command("subscribers", "import", "mias-feed", str(path), "--confirmed", "--report", str(report))
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=_environment(home), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    memory = []
    while process.poll() is None:
        memory.append(bench_machine.memory_mb(process.pid))
        time.sleep(LOOK_SECONDS)
    seconds = time.monotonic() - started
    assert process.stdout is not None
    said = process.stdout.read().strip()
    counts = [int(word) for word in said.replace(",", "").split() if word.isdigit()]
    return {
        "said": said,
        "lines": sum(counts[:4]),
        "refused": len(report.read_text().splitlines()) - 1,
        "seconds": round(seconds, 1),
        "per_second": round(sum(counts[:4]) / seconds),
        "peak_memory_mb": max(memory),
        # It goes up and down by some 70 MB from the first minute on, with what SQLite keeps.
        "memory_at_tenths_mb": [memory[place * len(memory) // 10] for place in range(1, 10)],
    }


def _digest(home: Path, *words: str) -> None:
    subprocess.run(_command(*words), env=_environment(home), cwd=home, check=True, stdout=subprocess.DEVNULL)


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "digest", *words]


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
    return kept | {"DIGEST_HOME": str(home), "PYTHONPATH": str(bench_worker.ROOT)}
