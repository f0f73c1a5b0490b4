"""How many mails may leave per second: token buckets in the database, shared by all processes and machines.

Reads and leaves rows of `buckets`, and only for relays and destinations that have a rate: whoever has none costs no
statement. Time is the database's own, so that machines whose clocks differ share one bucket. Decides nothing about
single mails.
"""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import sql
from digest.outbox import models

Key = tuple[str, str]  # relay, destination; destination "" is the relay as a whole

# Tokens pile up for so long while nobody takes any. Long enough for a turn that was slow, short enough that a server
# which counts by the second sees no burst.
BURST_SECONDS = 0.5
# A bucket that holds one token holds a little more: seconds since 1970 are good to a quarter of a microsecond, and what
# rounding leaves must not be a little less, for ever.
ONE = 1.001
# Who would get a token within this time waits for it in memory; who would not is put off.
PATIENCE_SECONDS = 2.0


@dataclasses.dataclass(frozen=True)
class Limits:
    """Mails per second, as set: for relays as a whole, by name or each, and for destinations over any relay."""

    each_relay: float | None = None
    relays: Mapping[str, float] = dataclasses.field(default_factory=dict)
    destinations: Mapping[str, float] = dataclasses.field(default_factory=dict)

    @property
    def are_any(self) -> bool:
        return bool(self.each_relay or self.relays or self.destinations)

    def rate(self, key: Key) -> float | None:
        relay, destination = key
        return self.destinations.get(destination) if destination else self.relays.get(relay, self.each_relay)

    def binding(self, relay: str, destination: str) -> tuple[Key, ...]:
        """The buckets a mail needs a token of: none, one or both."""
        found = []
        if destination in self.destinations:
            found.append((relay, destination))
        if self.each_relay is not None or relay in self.relays:
            found.append((relay, ""))
        return tuple(found)


class Tokens:
    """The buckets, as whoever works under these limits may use them."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits

    async def take(self, connection: AsyncConnection, wanted: Mapping[Key, int]) -> dict[Key, int]:
        """How many of the wanted tokens are granted, by key. Keys without a rate are granted in full.

        Do this last in a transaction: the rows stay locked until it ends, and everybody needs them.
        """
        limited = {key: count for key, count in wanted.items() if self.limits.rate(key) is not None}
        if not limited:
            return dict(wanted)
        return {**wanted, **await _take(connection, self.limits, limited)}

    async def put_off(
        self, connection: AsyncConnection, key: Key, count: int, *, rate: float, after: float = PATIENCE_SECONDS
    ) -> list[timedelta]:
        """How long each of so many mails should wait, at least `after` seconds, when `rate` can go per second.

        What others put off before has its turn first, so that mails return as room is expected, not in a crowd.
        """
        end = await _book(connection, key, count / rate, after)
        if end is None:
            await _begin(connection, [key], self.limits)
            end = await _book(connection, key, count / rate, after)
        assert end is not None
        return [timedelta(seconds=end - (count - 1 - number) / rate) for number in range(count)]


async def _take(connection: AsyncConnection, limits: Limits, wanted: Mapping[Key, int]) -> dict[Key, int]:
    statement, values = _written(connection.dialect.name, len(wanted)), dict[str, Any]()
    for number, (key, count) in enumerate(sorted(wanted.items())):
        row = (*key, count, limits.rate(key))
        values |= {f"{column.name}_of_{number}": value for column, value in zip(_ASKED, row, strict=True)}
    rows = (await connection.execute(statement, values)).all()
    if len(rows) < len(wanted):
        await _begin(connection, wanted.keys() - {(row.relay, row.destination) for row in rows}, limits)
        rows = (await connection.execute(statement, values)).all()
    return {(row.relay, row.destination): row.granted for row in rows}


@functools.cache
def _written(dialect: str, count: int) -> sa.TextClause:
    """The statement for so many keys as text: to put it together anew would cost each commit five milliseconds."""
    dialects = {"sqlite": sqlite.dialect, "postgresql": psycopg.dialect}
    return sa.text(str(_taking(count).compile(dialect=dialects[dialect](paramstyle="named"))))


def _taking(count: int) -> sa.Update:
    """One UPDATE for all keys, which come in one order and are locked in it, so that two takers never wait in a ring.

    `free_at` lags behind the clock by the time that is worth the tokens there are, but no more than a burst (or one
    token, where that is more): what is older is forgotten. Each token taken moves it on by its share of a second.
    """
    bucket = models.Bucket
    held = _held(count)
    # Asked once the rows are locked: to wait for them takes time, too.
    timed = sa.select(held, sql.clock_seconds().label("now")).subquery("timed")
    burst, one = (sa.literal_column(str(number), sa.Double) for number in (BURST_SECONDS, ONE))
    lag = sa.case((timed.c.rate * burst > one, burst), else_=one / timed.c.rate)
    # A bucket that is ahead of the clock is one whose clock was set back.
    behind = sa.case((timed.c.free_at > timed.c.now, timed.c.now), else_=timed.c.free_at)
    start = sql.greatest(behind, timed.c.now - lag, type_=sa.Double)
    begun = sa.select(timed, start.label("start")).subquery("begun")
    there = sql.whole((begun.c.now - begun.c.start) * begun.c.rate)
    granted = sa.case((there < begun.c.wanted, there), else_=begun.c.wanted)
    dealt = sa.select(begun, granted.label("granted")).subquery("dealt")
    return (
        sa.update(bucket)
        .where(bucket.relay == dealt.c.relay, bucket.destination == dealt.c.destination)
        .values(granted=dealt.c.granted, free_at=dealt.c.start + dealt.c.granted / dealt.c.rate)
        .returning(bucket.relay, bucket.destination, bucket.granted)
    )


_ASKED: tuple[sa.ColumnClause[Any], ...] = (
    sa.column("relay", sa.Text),
    sa.column("destination", sa.Text),
    sa.column("wanted", sa.Integer),
    sa.column("rate", sa.Double),
)


def _held(count: int) -> sa.Subquery:
    """The rows of so many keys, locked in order, with what is wanted of them."""
    bucket = models.Bucket
    rows = [
        tuple(sa.cast(sa.bindparam(f"{column.name}_of_{number}"), column.type) for column in _ASKED)
        for number in range(count)
    ]
    asked = sa.values(*_ASKED, name="asked").data(rows).cte()
    is_asked = sa.and_(bucket.relay == asked.c.relay, bucket.destination == asked.c.destination)
    return (
        sa.select(bucket.relay, bucket.destination, bucket.free_at, asked.c.wanted, asked.c.rate)
        .join(asked, is_asked)
        .order_by(bucket.relay, bucket.destination)
        .with_for_update(of=bucket)
        .subquery("held")
    )


async def _begin(connection: AsyncConnection, keys: Iterable[Key], limits: Limits) -> None:
    """Rows for keys that were never used, each with one token: to begin with a burst would be no good beginning."""
    for relay, destination in sorted(keys):
        values: dict[str, Any] = {
            "relay": relay,
            "destination": destination,
            "free_at": sql.clock_seconds() - ONE / (limits.rate((relay, destination)) or 1.0),
            "granted": 0,
            "booked_to": 0.0,
        }
        new = sql.insert(connection, models.Bucket).values(values)
        await connection.execute(new.on_conflict_do_nothing())


async def _book(connection: AsyncConnection, key: Key, seconds: float, after: float) -> float | None:
    """Extend the time that is booked; how far it reaches from now. None if the key has no row."""
    bucket = models.Bucket
    now = sql.clock_seconds()
    begin = sql.greatest(bucket.booked_to, now + after, type_=sa.Double)
    statement = (
        sa.update(bucket)
        .where(bucket.relay == key[0], bucket.destination == key[1])
        .values(booked_to=begin + seconds)
        .returning(bucket.booked_to - now)
    )
    return (await connection.execute(statement)).scalar()
