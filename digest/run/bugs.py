"""Where a bug is caught instead of rising: what one mail brings out must not stop the others."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

log = structlog.get_logger()

T = TypeVar("T")


def trap(work: Callable[[], T]) -> T | Exception:
    """What `work` returns, or what it raised."""
    try:
        return work()
    except Exception as error:
        return error


async def caught(work: Awaitable[None]) -> None:
    """Await `work`; what it raises is logged, and whoever does the next thing goes on."""
    try:
        await work
    except Exception:
        log.exception("work_failed")
