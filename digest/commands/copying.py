"""A copy of the whole database in a temporary SQLite file, to try things on. Reads the original in one snapshot.

Rows travel as Python values, through the columns' own types, so a copy of PostgreSQL is the same as one of SQLite.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import sqlalchemy as sa

from digest import database
from digest.commands import output
from digest.run import schema

# Rows in memory at a time.
SLICE = 5000


@asynccontextmanager
async def copied(original: database.Database) -> AsyncIterator[str]:
    """The URL of the copy. It is private to this account, and gone when the block ends."""
    with TemporaryDirectory(prefix="digest-") as folder:
        url = f"sqlite:///{Path(folder) / 'copy.db'}"
        copy = database.connect(url)
        try:
            await schema.upgrade(copy)
            await _copy(original, copy)
        finally:
            await copy.close()
        yield url


async def _copy(original: database.Database, copy: database.Database) -> None:
    tables = schema.metadata().sorted_tables
    async with original.reading() as source:
        if not original.is_sqlite:
            # On SQLite a transaction sees one state by itself.
            await source.execute(sa.text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
        with output.progress("copy", len(tables)) as advance:
            for table in tables:
                result = await source.stream(sa.select(table).order_by(*table.primary_key.columns))
                async for rows in result.mappings().partitions(SLICE):
                    async with copy.transaction() as target:
                        await target.execute(sa.insert(table), [dict(row) for row in rows])
                advance(1)
