"""Writes that share a commit: what is asked while one commit is under way goes into the next one, together.

A commit waits for the disk, and SQLite makes one at a time. With a commit each, readers who leave at the same moment
wait for one another; together they wait once. Each gets the answer of its own work, and only when it is durable.
Owns no rows: what is written is the callers' business.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database

T = TypeVar("T")
Work = Callable[[AsyncConnection], Awaitable[T]]

# On SQLite nobody else writes meanwhile, and the work runs in the event loop: some 30 ms of both.
MOST = 64


@dataclass(frozen=True, slots=True)
class _Entry:
    """One who waits. `order` is the row it will lock."""

    work: Work[Any]
    order: int
    answer: asyncio.Future[Any]


class _UndoneError(Exception):
    """One of the group raised, so nothing of it is kept."""


class Clerk:
    """Does the short writes of one process, one group after the other.

    Made for one event loop. It runs only while somebody waits, so there is nothing to start or to stop.
    """

    def __init__(self, db: database.Database) -> None:
        self._db = db
        self._waiting: list[_Entry] = []
        self._task: asyncio.Task[None] | None = None

    async def run(self, work: Work[T], *, order: int = 0) -> T:
        """What `work(connection)` returned, once it is durable; or what it raised, and then nothing of it is kept.

        `work` makes a few short statements (see `Database.brief`) and never commits. It may be called a second time,
        after all of the first was undone: when another of its group raised. So it should return what happens daily
        and raise only what is a fault, and change nothing but rows. `order` is the id of the row that it locks: a
        group locks in that order, so that groups of two processes never wait for each other in a ring. Who is
        cancelled while waiting is left out, unless its group is under way already.
        """
        entry = _Entry(work, order, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        answer: T = await entry.answer
        return answer

    async def _work(self) -> None:
        group: list[_Entry] = []
        try:
            while self._waiting:
                group, self._waiting = self._waiting[:MOST], self._waiting[MOST:]
                await self._settle([entry for entry in group if not entry.answer.done()])
        finally:
            # Only when the process ends there are some left.
            for entry in (*group, *self._waiting):
                entry.answer.cancel()
            self._waiting, self._task = [], None

    async def _settle(self, group: Sequence[_Entry]) -> None:
        [failure] = await asyncio.gather(self._commit(group), return_exceptions=True)
        if failure is None:
            return
        if isinstance(failure, _UndoneError) and len(group) > 1:
            # Whose fault it was may depend on the others (two that cannot be together), so each gets its own chance.
            for entry in group:
                await self._settle([entry])
            return
        reason = failure.__cause__ if isinstance(failure, _UndoneError) else failure
        for entry in group:
            if not entry.answer.done():
                entry.answer.set_exception(reason or failure)

    async def _commit(self, group: Sequence[_Entry]) -> None:
        if not group:
            return
        found: list[tuple[_Entry, Any]] | BaseException
        async with self._db.brief() as connection:
            # Gathered and not awaited, so that what one raises is told from what the transaction itself does.
            [found] = await asyncio.gather(_each(group, connection), return_exceptions=True)
            if isinstance(found, BaseException):
                raise _UndoneError from found
        for entry, result in found:
            if not entry.answer.done():
                entry.answer.set_result(result)


async def _each(group: Sequence[_Entry], connection: AsyncConnection) -> list[tuple[_Entry, Any]]:
    found = []
    for entry in sorted(group, key=lambda one: one.order):
        found.append((entry, await entry.work(connection)))
        # SQLite's statements are over at once, and others in this loop would hear nothing until all is done.
        await asyncio.sleep(0)
    return found
