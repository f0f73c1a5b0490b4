"""Downloads that are read while they are sent."""

import asyncio

import pytest

from digest.web import streams

pytestmark = pytest.mark.anyio


async def test_a_piece_is_read_to_its_end_when_nobody_listens_any_more():
    begun, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def source():
        yield "first"
        begun.set()
        await may_end.wait()
        ended.set()
        yield "second"

    async def listen(heard):
        async for piece in streams.pieces(source()):
            heard.append(piece)

    heard = []
    task = asyncio.create_task(listen(heard))
    await asyncio.wait_for(begun.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not ended.is_set()
    may_end.set()
    await asyncio.wait_for(ended.wait(), 5)
    assert heard == [b"first"]


async def test_all_pieces_come_in_order():
    async def source():
        for word in ("a", "", "ü"):
            yield word

    assert [piece async for piece in streams.pieces(source())] == [b"a", b"", "ü".encode()]
