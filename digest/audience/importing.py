"""The import of a list of readers: rows in, Subscriptions out, a reason for each row refused.

Works in transactions of some hundred rows, each safe to repeat: an import that was cut short is simply run again.
Never revives who left, was erased, or may not be written to. What becomes of each row is `intake`'s to say.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.audience import intake, lists, preferences, rows

# One transaction's worth: some 80 ms of SQLite's only write lock, so that mail leaves while a list comes in.
SLICE = 2000

Order = lists.Order
Report = lists.Report


class _RehearsedError(Exception):
    """Ends the transaction of a rehearsal, so that nothing of it stays."""


async def run(db: database.Database, source: Iterable[rows.Row | rows.BadRow], order: lists.Order) -> lists.Report:
    """Import every good row; with `order.is_rehearsal` find out what that would do, and do nothing."""
    report = lists.Report(on_refused=order.on_refused)
    async with db.reading() as connection:
        taker = await intake.Intake.prepared(connection, order)
    for chunk in _slices(source):
        good = _sorted_out(chunk, report, taker.judge)
        # Added only now, so that a report never tells of rows whose transaction failed.
        report.add(await (_rehearsed if order.is_rehearsal else _taken)(db, taker, good))
    report.refused.sort()
    return report


async def _taken(db: database.Database, taker: intake.Intake, good: dict[str, rows.Row]) -> lists.Report:
    async with db.transaction() as connection:
        return await taker.take(connection, good)


async def _rehearsed(db: database.Database, taker: intake.Intake, good: dict[str, rows.Row]) -> lists.Report:
    outcome = lists.Report()

    async def rehearse(connection: AsyncConnection) -> None:
        outcome.add(await taker.take(connection, good))
        raise _RehearsedError

    try:
        async with db.transaction() as connection:
            await rehearse(connection)
    except _RehearsedError:
        # What it made up its mind about points at rows that are gone again.
        taker.forget()
    return outcome


def _slices(source: Iterable[rows.Row | rows.BadRow]) -> Iterator[list[rows.Row | rows.BadRow]]:
    whole = iter(source)
    while chunk := list(itertools.islice(whole, SLICE)):
        yield chunk


def _sorted_out(
    chunk: list[rows.Row | rows.BadRow], report: lists.Report, judge: Callable[[rows.Row], None]
) -> dict[str, rows.Row]:
    """The good rows by address key; of two for one address the later counts, as it would in an import of its own."""
    good: dict[str, rows.Row] = {}
    for row in chunk:
        if isinstance(row, rows.BadRow):
            report.refuse(row.line, row.reason)
            continue
        try:
            earlier = good.get(row.address.key)
            good[row.address.key] = row if earlier is None else _joined(earlier, row, report, judge)
        except rows.RowError as error:
            report.refuse(row.line, str(error))
    return good


def _joined(earlier: rows.Row, later: rows.Row, report: lists.Report, judge: Callable[[rows.Row], None]) -> rows.Row:
    """Two lines as one. Raises RowError when the later one cannot count."""
    if _is_past(earlier, later):
        raise rows.RowError(f"is {earlier.state} in line {earlier.line}: not revived")
    judge(later)
    try:
        judge(earlier)
    except rows.RowError as error:
        report.refuse(earlier.line, str(error))
        return later
    report.updated += 1
    return _over(earlier, later)


def _is_past(earlier: rows.Row, later: rows.Row) -> bool:
    """Whether the earlier line says that this reader is none, and the later one no worse."""
    weight = {rows.Told.UNSUBSCRIBED: 1} | dict.fromkeys(intake.SUPPRESSED, 2)
    return weight.get(earlier.state, 0) > weight.get(later.state, 0)


def _over(earlier: rows.Row, later: rows.Row) -> rows.Row:
    """What only the earlier line says still holds."""
    wish = preferences.Wish._make(_newer(earlier.wish, later.wish))
    return rows.Row._make(_newer(earlier, later))._replace(wish=wish)


def _newer(earlier: Iterable[Any], later: Iterable[Any]) -> Iterator[Any]:
    return (new if new is not None else old for old, new in zip(earlier, later, strict=True))
