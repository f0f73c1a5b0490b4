"""What an engine is: it makes new Batches known to workers, and drives the sending of a process.

There are two: `inprocess`, where the rows are the queue, and `procrastinate` on PostgreSQL. Neither decides who sends
what: the lease on the Batch does. An engine only sees to it that somebody looks, and soon.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.outbox import crew
from digest.run import pulse


@dataclasses.dataclass(frozen=True)
class Shift:
    """What an engine works with in one process. `fence` raises when this installation may not send."""

    sender: crew.Sender
    fence: Callable[[], Awaitable[None]]
    pulse: pulse.Pulse


class Engine(Protocol):
    async def submit(self, connection: AsyncConnection, batch_ids: Sequence[int]) -> None:
        """Make new Batches known, within the transaction that makes them."""

    async def run(self, shift: Shift) -> None:
        """Send until the sender is asked to stop and every reply is recorded. Survives a database that goes away."""
