"""Engines at work in the test's own process, until there is nothing left to send."""

import asyncio

import sqlalchemy as sa

from digest.outbox.models import Batch, BatchState
from digest.run import engine as engines

PATIENCE = 30


async def work(engine: engines.Engine, shift: engines.Shift) -> None:
    """Start the engine, wait until every Batch is done, whoever did it, and ask it to stop."""
    if not await _is_left(shift):
        return
    stopping = shift.sender.stopping
    running = asyncio.create_task(engine.run(shift))
    try:
        async with asyncio.timeout(PATIENCE):
            while not running.done() and await _is_left(shift):  # noqa: ASYNC110 - it is the database that tells
                await asyncio.sleep(0.02)
    finally:
        stopping.set()
        await running
        stopping.clear()


async def _is_left(shift: engines.Shift) -> bool:
    async with shift.sender.db.reading() as connection:
        return bool(await connection.scalar(sa.select(sa.exists().where(Batch.state != BatchState.DONE))))
