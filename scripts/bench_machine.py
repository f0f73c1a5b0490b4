"""The machine a bench runs on: which core does what, and what a PostgreSQL server's processes took."""

import dataclasses
import os
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Cores:
    """Senders share one core and the sink has another; None where there is only one."""

    sender: int | None
    sink: int | None
    count: int


def cores() -> Cores:
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores(None, None, len(usable))
    return Cores(usable[0], usable[1], len(usable))


def cpu_seconds(pid: int) -> float:
    """What this process, all that it started, and those of them that ended have taken."""
    total, children = 0.0, _children()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        fields = _fields(one)
        # utime, stime, and those of children that were waited for: see proc(5).
        total += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK") if fields else 0
        waiting += children.get(one, [])
    return total


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _fields(int(entry.name))):
            found.setdefault(int(fields[1]), []).append(int(entry.name))
    return found


def _fields(pid: int) -> list[str]:
    """From the state on; the name before it may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def memory_mb(pid: int) -> float:
    """What it holds right now."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    line = next((line for line in lines if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return round(int(line.split()[1]) / 1024, 1)


def postmaster(url: str) -> int | None:
    """The main process of a PostgreSQL server of ours; None for one that was given and may be anywhere."""
    folder = Path(url.partition("host=")[2] or "/nowhere")
    try:
        return int((folder / "data" / "postmaster.pid").read_text().splitlines()[0])
    except OSError:
        return None
