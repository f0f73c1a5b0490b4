"""The sending processes of one machine: children that are kept running, listened to, and ended together.

Each is a `digest worker` with its share of the connections. Its standard input is a pipe that nobody writes to: should
this process die without a word, the pipe closes, and the child finishes its mails and ends too. Its standard output
tells how it is.
"""

import asyncio
import contextlib
import json
import os
import sys
import time

import structlog

from digest import config
from digest.run import loops, pulse

# A child that dies is started again after a pause that doubles up to the longest; one that lived so long starts anew.
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 30.0
LIVED_WELL_SECONDS = 60.0
# A child whose output has ended gets so long to end too.
ENDING_SECONDS = 2.0
# How often a child says how it is.
BEAT_SECONDS = 3.0

log = structlog.get_logger()


def names(count: int) -> tuple[str, ...]:
    """What the sending processes are called on the readiness page. One is this process itself; none is none."""
    return ("send",) if count == 1 else tuple(_name(number) for number in range(1, count + 1))


def _name(number: int) -> str:
    return f"worker {number}"


def share(settings: config.Settings, number: int) -> config.Settings:
    """The settings of child 1, 2 …: a relay counts connections, not the processes that have them."""
    count, smtp = settings.engine.processes, settings.smtp

    def part(connections: int) -> int:
        return max(1, connections // count + (number <= connections % count))

    # 0 is no limit.
    relays = tuple(
        relay.model_copy(update={"connections": part(relay.connections) if relay.connections else 0})
        for relay in smtp.relays
    )
    own = smtp.model_copy(update={"connections": part(smtp.connections), "relays": relays})
    return settings.model_copy(update={"smtp": own})


async def keep(count: int, stopping: asyncio.Event, own_pulse: pulse.Pulse) -> None:
    """Keep so many children running until asked to stop, then wait for all of them."""
    children = [_Child(number, own_pulse) for number in range(1, count + 1)]
    await asyncio.gather(stopping.wait(), *(child.keep(stopping) for child in children))


class _Child:
    def __init__(self, number: int, own_pulse: pulse.Pulse) -> None:
        self.number, self.name, self.pulse = number, _name(number), own_pulse

    async def keep(self, stopping: asyncio.Event) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not stopping.is_set():
            started = time.monotonic()
            code = await self._live(stopping)
            if stopping.is_set():
                return
            pause = FIRST_PAUSE_SECONDS if time.monotonic() - started > LIVED_WELL_SECONDS else pause
            log.error("worker_died", name=self.name, code=code)
            self.pulse.fail(self.name, f"ended with code {code}, and is started again")
            await loops.sleep(stopping, pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _live(self, stopping: asyncio.Event) -> int:
        """From start to end of one process; its exit code."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "digest", "worker", "--child", str(self.number)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        listening = asyncio.create_task(self._listen(process))
        stop = asyncio.create_task(stopping.wait())
        await asyncio.wait({listening, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not stopping.is_set():
            # Most likely it is ending. To signal it in this moment would take its exit code from asyncio, who says 255.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), ENDING_SECONDS)
        if process.returncode is None:
            # One that merely closed its output is of no use any more. It waits for its last replies, and we for it.
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        code = await process.wait()
        await listening
        return code

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout
        async for line in process.stdout:
            failures = json.loads(line)
            if failures:
                self.pulse.fail(self.name, "; ".join(failures))
            else:
                self.pulse.beat(self.name)


async def tell(own_pulse: pulse.Pulse) -> None:
    """As a child: say every now and then how we are. When there is nothing good to say we are silent."""
    while True:
        failures = [f"{name}: {reason}" for name, reason in own_pulse.failures.items()]
        is_alive = "send" in own_pulse.beats and not own_pulse.silent(("send",))
        if failures or is_alive:
            # Nobody listens when the parent is gone; the other pipe tells us so.
            with contextlib.suppress(BrokenPipeError):
                os.write(sys.stdout.fileno(), json.dumps(failures).encode() + b"\n")
        await asyncio.sleep(BEAT_SECONDS)


def end_with_parent(stopping: asyncio.Event) -> None:
    """As a child: stop when the parent has gone."""
    loop, pipe = asyncio.get_running_loop(), sys.stdin.fileno()

    def look() -> None:
        if not os.read(pipe, 1):
            loop.remove_reader(pipe)
            stopping.set()

    loop.add_reader(pipe, look)
