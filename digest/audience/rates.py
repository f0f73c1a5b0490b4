"""How often somebody may ask: windows counted in the database, so that all nodes count together.

Owns the Rate rows; `limits` says what a limit is and when it is reached, here is only where it counts. A window begins
with its first count and ends as a whole, so "1 per day" leaves a day between two. Counts belong to the caller's
transaction: what is rolled back was not counted.
"""

import functools
from collections.abc import Sequence
from datetime import datetime, timedelta

import limits
import sqlalchemy as sa
import sqlalchemy.exc
from limits.aio import storage, strategies
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, prepared, sql
from digest.audience import models

# A limit, and whose: "20/hour" of one hashed address.
Count = tuple[str, str]


async def is_within(connection: AsyncConnection, counts: Sequence[Count], now: datetime) -> bool:
    """Count one more against each limit in turn; false, and no more is counted, at the first that is reached.

    An empty limit is none. Rows are locked in the order given: give those that most requests share first, and no two
    transactions wait for each other.
    """
    rows = strategies.FixedWindowRateLimiter(_Rows(connection, now))
    for limit, whose in counts:
        if limit and not await rows.hit(_parsed(limit), whose):
            return False
    return True


async def prune(db: database.Database, now: datetime) -> int:
    """Forget windows that are over."""
    async with db.transaction() as connection:
        return (await connection.execute(sa.delete(models.Rate).where(models.Rate.expires_at < now))).rowcount


class _Rows(storage.Storage):
    """What `limits` asks of a place to count in, for one transaction."""

    STORAGE_SCHEME = None

    def __init__(self, connection: AsyncConnection, now: datetime) -> None:
        super().__init__()
        self._connection, self._now = connection, now

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlalchemy.exc.SQLAlchemyError

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        until = self._now + timedelta(seconds=expiry)
        values = {"p_key": key, "p_amount": amount, "p_now": self._now, "p_until": until}
        rows = await _counted(self._connection.dialect.name).run(self._connection, values)
        return int(rows[0][0])

    async def get(self, key: str) -> int:
        rate = models.Rate
        found = sa.select(rate.count).where(rate.key == key, rate.expires_at > self._now)
        return int(await self._connection.scalar(found) or 0)

    async def get_expiry(self, key: str) -> float:
        found: datetime | None = await self._connection.scalar(
            sa.select(models.Rate.expires_at).where(models.Rate.key == key)
        )
        return (found or self._now).timestamp()

    async def check(self) -> bool:
        return True

    async def reset(self) -> int | None:
        return (await self._connection.execute(sa.delete(models.Rate))).rowcount

    async def clear(self, key: str) -> None:
        await self._connection.execute(sa.delete(models.Rate).where(models.Rate.key == key))


@functools.cache
def _counted(dialect: str) -> prepared.Statement:
    rate = models.Rate
    amount = sa.bindparam("p_amount", type_=sa.Integer())
    until = sa.bindparam("p_until", type_=database.UtcDateTime())
    is_over = rate.expires_at <= sa.bindparam("p_now", type_=database.UtcDateTime())
    return prepared.Statement(
        sql.insert_for(dialect, rate)
        .values(key=sa.bindparam("p_key"), count=amount, expires_at=until)
        .on_conflict_do_update(
            index_elements=[rate.key],
            set_={
                "count": sa.case((is_over, amount), else_=rate.count + amount),
                "expires_at": sa.case((is_over, until), else_=rate.expires_at),
            },
        )
        .returning(rate.count)
    )


# There are some, and they are read from texts.
_parsed = functools.cache(limits.parse)
