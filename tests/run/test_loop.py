"""One event loop for every door."""

import asyncio
import sys

import pytest

from digest.run import loop


def test_work_runs_on_the_fast_loop_and_its_result_comes_back():
    async def work():
        return type(asyncio.get_running_loop()).__module__

    assert loop.run(work()).startswith("uvloop") == (sys.platform != "win32")


def test_what_goes_wrong_rises():
    async def work():
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        loop.run(work())
