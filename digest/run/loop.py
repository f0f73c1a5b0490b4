"""The event loop of this process: uvloop where there is one, which sends a mail for about half the CPU.

Every door that runs passes comes through here, so that what is measured is what runs.
"""

import asyncio
import gc
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

if sys.platform != "win32":
    import uvloop

T = TypeVar("T")

# New objects between two searches for rings of dead ones. Thousands of mails a second come and go without rings; at
# Python's 700 the searches are a twentieth of all work.
SEARCH_AFTER = 20_000


def run(work: Coroutine[Any, Any, T]) -> T:
    """As asyncio.run."""
    # uvloop does not exist for Windows, where digest is good for a look and not for service.
    factory = asyncio.new_event_loop if sys.platform == "win32" else uvloop.new_event_loop
    gc.set_threshold(SEARCH_AFTER, *gc.get_threshold()[1:])
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
