"""Where a bug is caught instead of rising: what one mail brings out must not stop the others."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def trap(work: Callable[[], T]) -> T | Exception:
    """What `work` returns, or what it raised."""
    try:
        return work()
    except Exception as error:
        return error
