"""Doing something again and again, whatever goes wrong in it."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

from digest.run import pulse

# After a failure the pause grows each time, up to this. A database or relay that comes back should find us soon.
LONGEST_PAUSE_SECONDS = 5.0


async def repeat(
    of: pulse.Pulse,
    name: str,
    work: Callable[[], Awaitable[bool]],
    stopping: asyncio.Event,
    *,
    seconds: float,
    pause: Callable[[float], Awaitable[None]] | None = None,
) -> None:
    """Work until asked to stop: at once again while there is more to do, else after a pause."""
    wait = seconds
    while not stopping.is_set():
        has_more = await of.watch(name, work)
        if has_more:
            continue
        wait = min(wait * 2, LONGEST_PAUSE_SECONDS) if has_more is None else seconds
        await (pause(wait) if pause else sleep(stopping, wait))


async def sleep(stopping: asyncio.Event, seconds: float) -> None:
    """Pause, but not beyond the wish to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)


class Every:
    """True at first, then once per so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._next = seconds, 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self.seconds
        return True
