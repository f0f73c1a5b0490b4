"""How workers come to know of new Batches: a function of the engine in use, handed down to the passes that make them.

It is called in the transaction that makes the Batches, so either both exist or neither does.
"""

from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

Submit = Callable[[AsyncConnection, Sequence[int]], Awaitable[None]]


async def nobody(_connection: AsyncConnection, _batch_ids: Sequence[int]) -> None:
    """For workers that look for due Batches by themselves."""
