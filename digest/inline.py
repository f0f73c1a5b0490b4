"""SQLite without threads, for transactions of a few short statements, each found by a key.

aiosqlite runs every call in a thread of its own: four hand-overs per statement, which cost more than the statement.
Sending a mail takes several, so those run where they are, in the event loop. What could take long there does not
happen: nobody waits for the write lock inside SQLite (the loop goes on meanwhile), no statement walks a table, and
COMMIT, which waits for the disk, has a thread.
Long statements belong on the engine with threads.
"""

import asyncio
import random
import sqlite3
import time
from collections.abc import Generator
from typing import Any

import sqlalchemy as sa
from sqlalchemy import pool
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError
from sqlalchemy.util import await_only

# Between two tries to get the write lock. Others hold it for a millisecond or two, fill for some twenty.
SHORTEST_WAIT, LONGEST_WAIT = 0.0005, 0.008


class _AtOnce:
    """Awaited without leaving."""

    def __await__(self) -> Generator[Any, Any, None]:
        yield from ()


_AT_ONCE = _AtOnce()


class _Cursor(sqlite3.Cursor):
    async def _async_soft_close(self) -> None:
        """What SQLAlchemy asks of asynchronous cursors: rows may go on being read after the statement."""


class _Connection(sqlite3.Connection):
    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)


class Dialect(pysqlite.SQLiteDialect_pysqlite):
    """Python's own driver under an async engine: its calls return at once, so there is nothing to await in them."""

    driver = "inline"
    is_async = True
    supports_statement_cache = True

    # SQLAlchemy takes a call that awaited nothing for a driver that blocks, and refuses it.

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        await_only(_AT_ONCE)
        cursor.execute(statement, parameters)

    def do_executemany(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        await_only(_AT_ONCE)
        cursor.executemany(statement, parameters)

    def do_commit(self, dbapi_connection: Any) -> None:
        """The one call that waits, for the disk; replies go on being heard meanwhile, and share the next commit."""
        await_only(asyncio.get_running_loop().run_in_executor(None, dbapi_connection.commit))

    @classmethod
    def get_pool_class(cls, url: URL) -> type[pool.Pool]:
        return pool.AsyncAdaptedQueuePool


def begin(connection: sa.Connection, statement: str, patience_seconds: float) -> None:
    """BEGIN, waiting for whoever holds the write lock. Raises OperationalError when that takes too long."""
    deadline, wait = time.monotonic() + patience_seconds, SHORTEST_WAIT
    while True:
        try:
            connection.exec_driver_sql(statement)
            return
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
        # By chance, so that two who wait do not come back together for ever.
        await_only(asyncio.sleep(wait * (0.5 + random.random())))
        wait = min(wait * 2, LONGEST_WAIT)


def connect_arguments() -> dict[str, Any]:
    # An engine may be made in one thread and used in another; it is never used by two at once.
    return {"check_same_thread": False, "timeout": 0, "factory": _Connection}


sa.dialects.registry.register("sqlite.inline", __name__, "Dialect")
