"""Has a picture redrawn by a process of its own, and ends it when it takes too long. Touches no row.

What comes back is checked: the process was fed by a stranger, and may not be what it was.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass

from digest.articles.pictures import header, redraw

# Large photographs take one or two on a small machine.
SECONDS = 20.0
# One at a time: each may take a core and some hundred megabytes.
AT_ONCE = 1
MOST_BYTES = 5_000_000  # of what comes back; a PNG of our size at its worst
# All it needs of our environment, which also holds the keys that sign links.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT", "LD_LIBRARY_PATH", "PYTHONPATH", "PYTHONHOME")


@dataclass(frozen=True, slots=True)
class Copy:
    kind: str
    width: int
    height: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Unfit:
    """`reason` in words for the operator."""

    reason: str


async def redrawn(original: bytes) -> Copy | Unfit:
    environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        # -P: never a module of that name that lies in the folder we happen to be in.
        sys.executable, "-P", "-m", redraw.__name__,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        env=environment,
    )  # fmt: skip
    try:
        async with asyncio.timeout(SECONDS):
            answer, _ = await process.communicate(original)
    except TimeoutError:
        return Unfit(f"drawing it took longer than {SECONDS:g} seconds")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _read(answer)


def _read(answer: bytes) -> Copy | Unfit:
    line, _, content = answer.partition(b"\n")
    try:
        facts = json.loads(line)
        if "fault" in facts:
            return Unfit(str(facts["fault"])[:200])
    except (ValueError, TypeError):
        return Unfit("drawing it failed")
    seen = header.read(content)
    if len(content) > MOST_BYTES or seen.kind not in ("jpeg", "png") or not seen.width:
        return Unfit("drawing it failed")
    return Copy(seen.kind, seen.width, seen.height, content)
