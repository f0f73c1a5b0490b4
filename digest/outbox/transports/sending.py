"""One letter by itself over a Transport's lines, for callers that have no more than one."""

import asyncio
import contextlib

from digest.outbox.replies import Reply
from digest.outbox.transports.transport import Letter, Line, Transport

# A relay in trouble is known to be so for a while; this long is waited to hear whether it still is.
PATIENCE_SECONDS = 2.0


async def send(transport: Transport, letter: Letter) -> Reply:
    """What was replied, at which stage. A line that was closed while it lay idle is no answer: another is tried."""
    reply, was_used = await _try(transport, letter)
    if reply.lost and was_used and reply.stage.value in ("mail", "rcpt", "data"):
        reply, _ = await _try(transport, letter)
    return reply


async def _try(transport: Transport, letter: Letter) -> tuple[Reply, bool]:
    line = await _line(transport)
    if isinstance(line, Reply):
        return line, False
    was_used = getattr(line, "served", 0) > 0
    try:
        reply = await line.announce(letter)
        if reply.code == 354:
            reply = await line.pour(None)[0]
        return reply, was_used
    except BaseException:
        # Stopped midway: the next reply heard on this line would be taken for that of another letter.
        line.abandon()
        raise
    finally:
        transport.give_back(line)


async def _line(transport: Transport) -> Line | Reply:
    patience = PATIENCE_SECONDS
    while True:
        line = transport.take(urgent=True)
        if line is not None:
            return line
        trouble = transport.trouble()
        if trouble is not None and patience <= 0:
            return trouble
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(transport.changed(), patience if trouble else None)
        patience -= PATIENCE_SECONDS if trouble else 0
