"""The engine inside this process: looks for due Batches, the most urgent first.

The rows are the queue, so there is nothing to submit and nothing to lose; any number of processes may look. It serves
both databases.
"""

import math
from collections import Counter
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.outbox import crew, lease
from digest.run import engine, floor, loops

# How long a Batch may wait unseen. Somebody waits in front of a screen for the mail to confirm.
LOOK_SECONDS = 0.5


class InProcess:
    """Every process that runs it sends."""

    async def submit(self, connection: AsyncConnection, batch_ids: Sequence[int]) -> None:
        """Nothing: the rows say it all."""

    async def run(self, shift: engine.Shift) -> None:
        here = floor.Floor(shift.sender)

        async def look() -> bool:
            await shift.fence()
            has_begun = await begin_due(here)
            if not has_begun:
                here.nothing_is_due()
            here.report(shift.pulse)
            return has_begun

        await loops.repeat(shift.pulse, "send", look, shift.sender.stopping, pause=here.changed, seconds=LOOK_SECONDS)
        await here.emptied()


async def begin_due(here: floor.Floor) -> bool:
    """Begin what is due and has room here, at most one Batch of each kind; false when there was none."""
    has_begun = here.has_room(urgent=True) and await _begin(here, urgent=True)
    return (here.has_room() and await _begin(here)) or has_begun


async def _begin(here: floor.Floor, *, urgent: bool = False) -> bool:
    priority = floor.URGENT if urgent else None
    batch_id = await lease.find_due(here.sender.db, but=here.not_now, priority=priority)
    if batch_id is None or here.sender.stopping.is_set():
        return False
    here.begin(batch_id, urgent=urgent)
    return True


async def drain(sender: crew.Sender, failed: dict[int, str]) -> Counter[str]:
    """Send until no Batch is due but those in `failed`, where Batches that break are added, with the reason.

    Counts by Delivery state. Raises RelayError when no relay can be reached.
    """
    here = floor.Floor(sender, failed, rest=math.inf)
    try:
        while not (sender.stopping.is_set() or here.trouble) and (await begin_due(here) or not here.is_empty):
            await here.changed()
    finally:
        await here.emptied()
    if here.trouble:
        raise here.trouble
    return here.counts
