"""The event loop of this process: uvloop where there is one, which sends a mail for about half the CPU.

Every door that runs passes comes through here, so that what is measured is what runs.
"""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

if sys.platform != "win32":
    import uvloop

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    # uvloop does not exist for Windows, where digest is good for a look and not for service.
    factory = asyncio.new_event_loop if sys.platform == "win32" else uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
