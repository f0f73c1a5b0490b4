"""Tells everybody who waits that something changed, and nobody of what was before they asked."""

import asyncio
from collections.abc import Coroutine
from typing import Any


class News:
    """As asyncio.Condition without its lock: whoever waits looks for themselves."""

    def __init__(self) -> None:
        self._to_come: asyncio.Future[None] | None = None

    def next(self) -> Coroutine[Any, Any, None]:
        """Returns once something was told after this call; not only after it is awaited."""
        if self._to_come is None:
            self._to_come = asyncio.get_running_loop().create_future()
        return _wait(self._to_come)

    def tell(self) -> None:
        news, self._to_come = self._to_come, None
        if news is not None:
            news.set_result(None)


async def _wait(news: "asyncio.Future[None]") -> None:
    # Not `await news`: whoever is cancelled while waiting would cancel it for all.
    await asyncio.wait([news])
