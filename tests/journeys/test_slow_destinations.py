"""Destinations that want less than we have: they get it, others get theirs meanwhile, and nobody loses anything."""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from digest.outbox import pauses
from tests.support import world as worlds

pytestmark = pytest.mark.anyio

GMAIL = [f"reader{number}@gmail.com" for number in range(24)]
OTHERS = [f"reader{number}@mail{number}.example" for number in range(12)]


@asynccontextmanager
async def a_list(db_url: str, home: Path, now: datetime, **throttle: Any) -> AsyncIterator[worlds.World]:
    """Two dozen readers at Gmail, a dozen elsewhere, and an Edition that is due."""
    async with worlds.a_world(db_url, home, now, throttle=throttle) as world:
        for address in (*GMAIL, *OTHERS):
            await world.subscribe(address)
        await world.run()
        await world.publish("first")
        await world.queue(after=timedelta(days=1))
        yield world


async def states(world: worlds.World) -> Counter[tuple[str, str, int]]:
    """How many Deliveries there are: where to, in which state, after how many tries."""
    found: Counter[tuple[str, str, int]] = Counter()
    for address in (*GMAIL, *OTHERS):
        [row] = await world.deliveries(address)
        found["gmail" if address in GMAIL else "others", row.state.value, row.tries] += 1
    return found


async def run_until_received(world: worlds.World, count: int) -> None:
    """Let minutes pass. How many it takes hangs on how much one connection manages before the others are put off."""
    for _ in range(100):
        await world.run(after=timedelta(minutes=1))
        if len(world.server.received) >= count:
            return


async def test_a_destination_that_turns_us_away_is_paused_and_its_readers_lose_nothing(
    db_url: str, tmp_path: Path, now: datetime
) -> None:
    async with a_list(db_url, tmp_path, now) as world:
        for address in GMAIL:
            world.server.answer("rcpt", "421 4.7.28 Gmail has detected an unusual rate of mail", address=address)
        await world.send()
        found = await states(world)
        assert found["others", "sent", 1] == 12
        assert sum(count for (where, _, _), count in found.items() if where == "gmail") == 24
        # Only those on the lines at that moment were tried at all.
        assert found["gmail", "deferred", 0] >= 16
        assert {state for where, state, _ in found if where == "gmail"} == {"deferred"}

        world.server.behave()
        await world.run(after=timedelta(minutes=5))
        assert len(world.server.received) == 12
        await run_until_received(world, 36)
        assert Counter(world.server.recipients()) == Counter([*GMAIL, *OTHERS])
        async with world.parts.db.reading() as connection:
            assert await pauses.listing(connection) == []


async def test_a_destination_that_is_still_angry_is_asked_ever_more_rarely(
    db_url: str, tmp_path: Path, now: datetime
) -> None:
    async with a_list(db_url, tmp_path, now) as world:
        for address in GMAIL:
            world.server.answer("rcpt", "421 4.7.28 Gmail has detected an unusual rate of mail", address=address)
        await world.send()
        begun = await tries(world)
        for _ in range(24):
            await world.run(after=timedelta(minutes=5))
        # Two hours hold the ends of pauses of 10, 20, 40 and perhaps 80 minutes, each with one try.
        assert 2 <= await tries(world) - begun <= 4
        assert len(world.server.received) == 12


async def tries(world: worlds.World) -> int:
    return sum([(await world.deliveries(address))[0].tries for address in GMAIL])


async def test_a_lifted_pause_lets_the_mail_go(db_url: str, tmp_path: Path, now: datetime) -> None:
    async with a_list(db_url, tmp_path, now) as world:
        world.server.answer("rcpt", "421 4.7.28 unusual rate", address=GMAIL[0])
        await world.send()
        waiting = 36 - len(world.server.received)
        world.server.behave()
        async with world.parts.db.transaction() as connection:
            # The one that was refused waits for its own time.
            assert await pauses.lift(connection, "gmail", world.now) == waiting - 1
            assert await pauses.listing(connection) == []
        world.parts.gate._looked_at = float("-inf")
        await run_until_received(world, 35)
        assert sorted(world.server.recipients()) == sorted([*GMAIL[1:], *OTHERS])


async def test_a_rate_puts_off_what_would_wait_long_without_using_up_a_try(
    db_url: str, tmp_path: Path, now: datetime
) -> None:
    async with a_list(db_url, tmp_path, now, destinations={"gmail": {"per_second": 0.1}}) as world:
        await world.send()
        assert await states(world) == {
            ("others", "sent", 1): 12,
            ("gmail", "sent", 1): 1,
            ("gmail", "deferred", 0): 23,
        }
        due = sorted([(await world.deliveries(address))[0].retry_at for address in GMAIL], key=lambda at: at or now)
        waits = [(at - world.now).total_seconds() for at in due[1:]]
        assert waits[-1] - waits[0] == pytest.approx(220, abs=1)
        assert "throttled: the rate that was set is used up (gmail)" in {
            (await world.deliveries(address))[0].reason for address in GMAIL
        }


async def test_a_rate_that_is_high_enough_holds_nobody_up(db_url: str, tmp_path: Path, now: datetime) -> None:
    async with a_list(db_url, tmp_path, now, per_second=500, destinations={"gmail": {"connections": 1}}) as world:
        await world.send()
        await run_until_received(world, 36)
        assert Counter(world.server.recipients()) == Counter([*GMAIL, *OTHERS])
