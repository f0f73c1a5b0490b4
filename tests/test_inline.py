"""Where the statements of a brief transaction run, and that nothing which waits holds up the event loop."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database

pytestmark = pytest.mark.anyio


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[database.Database]:
    found = database.connect(f"sqlite:///{tmp_path}/test.db")
    async with found.transaction() as connection:
        await connection.execute(sa.text("CREATE TABLE things (id INTEGER PRIMARY KEY)"))
    yield found
    await found.close()


async def add(connection: AsyncConnection, number: int) -> None:
    await connection.execute(sa.text("INSERT INTO things (id) VALUES (:n)"), {"n": number})


async def count(db: database.Database) -> int:
    async with db.glance() as connection:
        return int((await connection.execute(sa.text("SELECT count(*) FROM things"))).scalar_one())


async def test_statements_run_in_the_event_loop_and_the_commit_apart(db: database.Database) -> None:
    ran: dict[str, int] = {}
    async with db.brief() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        # SQLite calls it on whatever thread a statement runs.
        driver.set_trace_callback(lambda statement: ran.setdefault(statement.split()[0], threading.get_ident()))
        await add(connection, 1)
    assert ran["INSERT"] == threading.get_ident()
    assert ran["COMMIT"] != threading.get_ident()
    assert await count(db) == 1


async def test_what_raises_leaves_nothing(db: database.Database) -> None:
    async with db.brief() as connection:
        await add(connection, 0)
    with pytest.raises(sa.exc.IntegrityError):
        await twice(db)
    assert await count(db) == 1


async def twice(db: database.Database) -> None:
    async with db.brief() as connection:
        await add(connection, 1)
        await add(connection, 1)


async def test_who_waits_for_the_lock_does_not_hold_up_who_has_it(db: database.Database) -> None:
    async def write() -> None:
        async with db.brief() as connection:
            await add(connection, 2)

    async with db.transaction() as connection:
        await add(connection, 1)
        waiting = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        assert not waiting.done()
    await waiting
    assert await count(db) == 2


async def test_a_task_cancelled_while_it_commits_leaves_a_connection_that_works(db: database.Database) -> None:
    for number in range(20):

        async def write(number: int = number) -> None:
            async with db.brief() as connection:
                await add(connection, number)

        task = asyncio.create_task(write())
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with db.brief() as connection:
        await add(connection, 100)
    assert await count(db) >= 1


async def test_who_asks_first_has_the_lock_first(db: database.Database) -> None:
    order: list[int] = []

    async def write(number: int) -> None:
        async with db.brief() as connection:
            order.append(number)
            await connection.execute(sa.text("SELECT 1"))

    async with db.brief():
        tasks = []
        for number in range(12):
            tasks.append(asyncio.create_task(write(number)))
            # Long enough that some would be in the middle of a pause when it is their turn.
            await asyncio.sleep(0.004)
    await asyncio.gather(*tasks)
    assert order == list(range(12))


async def test_one_who_gives_up_waiting_holds_up_nobody(db: database.Database) -> None:
    async def write() -> None:
        async with db.brief() as connection:
            await connection.execute(sa.text("SELECT 1"))

    async with db.brief():
        impatient, patient = asyncio.create_task(write()), asyncio.create_task(write())
        await asyncio.sleep(0)
        impatient.cancel()
    async with asyncio.timeout(5):
        await patient
    assert impatient.cancelled()
