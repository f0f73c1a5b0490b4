"""Writes that share a commit: each gets its own answer, and nobody pays for another's fault."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import clerk, database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def kept(db: database.Database) -> Callable[[], Any]:
    """What is durable, in the order it was written."""
    async with db.transaction() as connection:
        await connection.execute(sa.text("CREATE TABLE things (id INTEGER PRIMARY KEY, number INTEGER UNIQUE)"))

    async def look() -> list[int]:
        async with db.reading() as connection:
            return list((await connection.execute(sa.text("SELECT number FROM things ORDER BY id"))).scalars())

    return look


def adding(number: int, *, raising: Exception | None = None) -> clerk.Work[int]:
    async def work(connection: AsyncConnection) -> int:
        next_ = sa.text("INSERT INTO things SELECT coalesce(max(id), 0) + 1, :number FROM things")
        await connection.execute(next_, {"number": number})
        if raising:
            raise raising
        return number * 10

    return work


@pytest.fixture
def commits(db: database.Database) -> list[None]:
    """One entry for each commit of a brief transaction."""
    seen: list[None] = []
    sa.event.listen(db._brisk.sync_engine, "commit", lambda _connection: seen.append(None))
    return seen


async def test_each_gets_its_own_answer_when_it_is_durable(db, kept):
    found = clerk.Clerk(db)

    async def ask(number: int) -> None:
        assert await found.run(adding(number)) == number * 10
        assert number in await kept()

    await asyncio.gather(*(ask(number) for number in range(20)))
    assert sorted(await kept()) == list(range(20))


async def test_those_who_come_together_share_a_commit(db, kept, commits):
    found = clerk.Clerk(db)
    await asyncio.gather(*(found.run(adding(number)) for number in range(50)))
    assert len(commits) <= 2
    assert await kept() == list(range(50)), "first come, first served"


async def test_a_crowd_is_served_in_groups(db, kept, commits, monkeypatch):
    monkeypatch.setattr(clerk, "MOST", 10)
    found = clerk.Clerk(db)
    await asyncio.gather(*(found.run(adding(number)) for number in range(45)))
    assert len(commits) == 5
    assert await kept() == list(range(45))


async def test_who_comes_during_a_commit_is_in_the_next(db, kept):
    found = clerk.Clerk(db)
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> int:
        entered.set()
        await go.wait()
        return await adding(1)(connection)

    first = asyncio.create_task(found.run(slow))
    await entered.wait()
    second = asyncio.create_task(found.run(adding(2)))
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(first, second) == [10, 20]
    assert await kept() == [1, 2]


async def test_one_that_raises_fails_alone(db, kept):
    found = clerk.Clerk(db)
    works = [adding(1), adding(2, raising=ValueError("mine")), adding(3), adding(1), adding(4)]
    answers = await asyncio.gather(*map(found.run, works), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["int", "ValueError", "int", "IntegrityError", "int"]
    assert str(answers[1]) == "mine"
    assert sorted(await kept()) == [1, 3, 4]


async def test_the_next_is_served_after_a_fault(db, kept):
    found = clerk.Clerk(db)
    with pytest.raises(ValueError, match="mine"):
        await found.run(adding(1, raising=ValueError("mine")))
    assert await found.run(adding(2)) == 20
    assert await kept() == [2]


async def test_rows_are_locked_in_order(db, kept):
    found = clerk.Clerk(db)
    await asyncio.gather(*(found.run(adding(number), order=number) for number in (3, 1, 2)))
    assert await kept() == [1, 2, 3]


async def test_who_gives_up_waiting_is_left_out_and_holds_nobody_up(db, kept):
    found = clerk.Clerk(db)
    asked = [asyncio.create_task(found.run(adding(number))) for number in range(5)]
    await asyncio.sleep(0)  # all wait, none is served
    asked[2].cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["int", "int", "CancelledError", "int", "int"]
    assert await kept() == [0, 1, 3, 4]


async def test_who_gives_up_too_late_takes_nobody_along(db, kept):
    found = clerk.Clerk(db)
    entered, go = asyncio.Event(), asyncio.Event()

    async def slow(connection: AsyncConnection) -> int:
        entered.set()
        await go.wait()
        return await adding(1)(connection)

    asked = [asyncio.create_task(found.run(work)) for work in (slow, adding(2))]
    await entered.wait()
    asked[0].cancel()
    go.set()
    assert await asked[1] == 20
    assert await kept() == [1, 2], "it was under way"


async def test_a_database_that_is_away_is_told_to_all_at_once():
    db = database.connect("postgresql://digest@127.0.0.1:1/nobody-listens-here")
    tries: list[None] = []
    sa.event.listen(db.engine.sync_engine, "do_connect", lambda *_: tries.append(None))
    found = clerk.Clerk(db)
    answers = await asyncio.gather(*(found.run(adding(number)) for number in range(5)), return_exceptions=True)
    assert [type(answer).__name__ for answer in answers] == ["OperationalError"] * 5
    assert len(tries) == 1, "a group waits for a dead server once, not each of its members"
    await db.close()


async def test_nobody_waits_for_ever_when_the_process_ends(db, kept):
    found = clerk.Clerk(db)
    never = asyncio.Event()

    async def stuck(_connection: AsyncConnection) -> None:
        await never.wait()

    asked = [asyncio.create_task(found.run(work)) for work in (stuck, adding(1))]
    await asyncio.sleep(0.05)
    late = asyncio.create_task(found.run(adding(2)))
    await asyncio.sleep(0)
    assert found._task is not None
    found._task.cancel()
    answers = await asyncio.wait_for(asyncio.gather(*asked, late, return_exceptions=True), 5)
    assert {type(answer).__name__ for answer in answers} == {"CancelledError"}
    assert await kept() == []


async def test_a_ring_of_locks_is_undone_and_tried_apart(db, kept):
    """Two processes whose groups lock the same rows the other way round: PostgreSQL ends one, and both get through."""
    if db.is_sqlite:
        return
    here, there = clerk.Clerk(db), clerk.Clerk(db)
    async with db.transaction() as connection:
        await connection.execute(sa.text("INSERT INTO things VALUES (1, 1), (2, 2)"))
    both = asyncio.Barrier(2)

    def touching(id_: int, *, meets: bool) -> clerk.Work[int]:
        is_first = True

        async def work(connection: AsyncConnection) -> int:
            nonlocal is_first
            await connection.execute(sa.text("UPDATE things SET number = NULL WHERE id = :id"), {"id": id_})
            if meets and is_first:
                is_first = False
                await both.wait()
            return id_

        return work

    asked = [here.run(touching(1, meets=True)), here.run(touching(2, meets=False))]
    asked += [there.run(touching(2, meets=True)), there.run(touching(1, meets=False))]
    assert await asyncio.wait_for(asyncio.gather(*asked), 20) == [1, 2, 2, 1]
