"""Waiting for enough replies: one wake-up for many, instead of one for each."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable


class Bell:
    """`ready` tells how many replies are in. Rings when there are as many as wished, or at what is watched."""

    def __init__(self, ready: Callable[[], int]) -> None:
        self._ready = ready
        self._woken, self._enough = asyncio.Event(), 1
        self._watching: list[asyncio.Task[None]] = []

    def news(self) -> None:
        """A reply came in."""
        if self._ready() >= self._enough:
            self._woken.set()

    async def until(self, enough: int, seconds: float | None) -> bool:
        """Wait for so many replies, for what is watched, or so long; whether there are any replies."""
        self._enough = enough
        if self._ready() < enough:
            await self.any(seconds)
        return self._ready() > 0

    async def any(self, seconds: float | None) -> None:
        """Wait for the next ring, but no longer than that."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    def watch(
        self, event: Callable[[], Awaitable[object]], matters: Callable[[], bool] = lambda: True, *, once: bool = False
    ) -> None:
        """Ring whenever this happens and matters."""
        self._watching.append(asyncio.create_task(self._watch(event, matters, once)))

    async def _watch(self, event: Callable[[], Awaitable[object]], matters: Callable[[], bool], once: bool) -> None:
        while True:
            await event()
            if matters():
                self._woken.set()
            if once:
                return

    async def silence(self) -> None:
        """Watch nothing any more."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
