"""All that sending a Batch needs, in one place. Owns nothing, reads no rows."""

import asyncio
import dataclasses
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from digest import clock, database, errors
from digest.outbox import gate, handing, handover, outcomes
from digest.outbox.transports import transport as transports


class RelayError(errors.DigestError):
    """No relay can be reached, so no mail can leave. What is due stays queued."""


@dataclasses.dataclass
class Sender:
    """All that sending needs. `stopping` set means: hand nothing over any more, finish what is on the wire.

    `trap` calls what may bring out a bug, and returns the exception.
    """

    db: database.Database
    desk: handing.Desk
    transport: transports.Transport
    clock: clock.Clock
    patience: outcomes.Patience
    stopping: asyncio.Event
    trap: Callable[[Callable[[], Any]], Any]
    gate: gate.Gate
    doubt_pause: timedelta = handover.DOUBT_PAUSE
