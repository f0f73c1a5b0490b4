"""A process that does nothing but send, and the handle by which a bench drives one.

It is made of the same parts as the daemon, with the ledger, personal links and event lines at info into a file. Told
to go, it sends all that is queued, and answers with what that took: processor time of the whole process, its threads
included.
"""

import asyncio
import contextlib
import dataclasses
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True)
class Order:
    """What a sending process is given. `settings` as in config/digest.toml; `core` None: any of them."""

    home: str
    settings: dict[str, Any]
    core: int | None
    name: str = "worker"


class Worker:
    """A started process, ready to send."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def go(self) -> None:
        self._say("go")

    def hear(self) -> dict[str, Any]:
        """What it found, once it is done."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError("the sending process ended before it was done; see its words above")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def send(self) -> dict[str, Any]:
        self.go()
        return self.hear()

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def started(order: Order) -> Iterator[Worker]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
    command = [sys.executable, __file__, json.dumps(dataclasses.asdict(order))]
    environment = os.environ | {"PYTHONPATH": path}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            worker = Worker(process)
            worker.hear()
            yield worker
        finally:
            # Its standard input ends, and so does it.
            process.communicate()


def settings(database_url: str, smtp_url: str, *, connections: int = 32, **more: Any) -> dict[str, Any]:
    smtp = {"url": smtp_url, "connections": connections} | more.pop("smtp", {})
    return {
        "base_url": "https://news.example.org",
        "secret_keys": "a-key-that-nobody-ever-guesses-01234567",
        "instance": "bench",
        "database": {"url": database_url},
        # As for a domain that is known; the sink would be trusted with all anyway.
        "throttle": {"plan": "open"},
        "smtp": smtp,
        **more,
    }


def as_environment(settings_: dict[str, Any], *above: str) -> dict[str, str]:
    """The same settings as DIGEST_… variables, for commands that read them from there."""
    found: dict[str, str] = {}
    for key, value in settings_.items():
        if isinstance(value, dict):
            found |= as_environment(value, *above, key)
        else:
            found["_".join(("DIGEST", *above, key)).upper()] = str(value)
    return found


async def _work(order: Order) -> None:
    from digest import config
    from digest.run import wiring

    found = config.Settings.model_validate(order.settings)
    async with wiring.build(found, Path(order.home)) as parts:
        transport = wiring.transport_of(found)
        await transport.open()
        try:
            sender = parts.sender(transport)
            _tell({"ready": True})
            while await asyncio.to_thread(sys.stdin.readline):
                _tell(await _measured(sender))
        finally:
            await transport.close()


async def _measured(sender: Any) -> dict[str, Any]:
    from digest.run import inprocess

    broken: dict[int, str] = {}
    before, started_at = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    counts = await inprocess.drain(sender, broken)
    after, ended_at = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    return {
        "mails": counts["sent"],
        "others": {state: count for state, count in counts.items() if state != "sent"} | broken,
        "user": after.ru_utime - before.ru_utime,
        "system": after.ru_stime - before.ru_stime,
        "seconds": ended_at - started_at,
        "switches": after.ru_nvcsw - before.ru_nvcsw,
        "peak_memory_mb": peak_memory_mb(),
    }


def peak_memory_mb() -> float:
    # Not getrusage: its maximum outlives exec, so it would show the parent's.
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def _tell(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


def _main() -> None:
    order = Order(**json.loads(sys.argv[1]))
    if order.core is not None:
        os.sched_setaffinity(0, {order.core})
    from digest.run import logs, loop

    with (Path(order.home) / f"{order.name}.log").open("w") as lines:
        logs.configure(level="info", style="json", stream=lines)
        loop.run(_work(order))


if __name__ == "__main__":
    _main()
