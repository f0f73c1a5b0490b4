"""Answers that are read from the database while they are sent, for as long as somebody listens."""

import asyncio
from collections.abc import AsyncIterator


async def pieces(source: AsyncIterator[str]) -> AsyncIterator[bytes]:
    """Each piece is read to its end, also when whoever asked hangs up: a statement cut off would cost its connection.

    The source holds nothing open between two pieces.
    """
    while (piece := await asyncio.shield(asyncio.create_task(_next(source)))) is not None:
        yield piece.encode()


async def _next(source: AsyncIterator[str]) -> str | None:
    return await anext(source, None)
