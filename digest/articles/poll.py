"""The pass that brings Articles in: due Sources are fetched, and what they say is stored.

Reads Sources whose time has come; leaves Articles, Faults and the Source's next time. Gives no positions and mails
nothing.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.articles import fetch, politeness, store, visit, weblinks
from digest.articles.models import Source, SourceState
from digest.articles.visit import Fetcher as Fetcher  # what a caller of this pass has to bring

log = structlog.get_logger()

# Hosts asked at the same time. Each answer may fill `max_bytes`, so this also bounds memory.
HOSTS_AT_ONCE = 4
# Between two requests to a host that is not the operator's own.
GAP_SECONDS = 1.0
# A Source that moved and then fails this often is looked for where the publisher wrote it is.
FAILURES_BEFORE_RETURN = 5
_WELL: dict[str, Any] = {"failures": 0, "reason": None}


@dataclass(frozen=True, slots=True)
class Polled:
    """What came of it. `set_aside` counts items and whole Sources; `reasons` has a line for each such Source."""

    new: int = 0
    updated: int = 0
    set_aside: int = 0
    held: int = 0
    reasons: tuple[str, ...] = ()


def total(parts: Iterable[Polled]) -> Polled:
    found = list(parts)
    return Polled(
        new=sum(part.new for part in found),
        updated=sum(part.updated for part in found),
        set_aside=sum(part.set_aside for part in found),
        held=sum(part.held for part in found),
        reasons=tuple(reason for part in found for reason in part.reasons),
    )


@dataclass(frozen=True, slots=True)
class Group:
    """Due Sources of one host, to be polled one after the other."""

    host: str
    ids: tuple[int, ...]


async def run(db: database.Database, fetcher: Fetcher, now: datetime) -> Polled:
    """Poll all that is due. A bug that one Source brings to light stops no other, and rises when all are done."""
    room, bugs = asyncio.Semaphore(HOSTS_AT_ONCE), list[Exception]()

    async def poll(group: Group) -> list[Polled]:
        async with room:
            return await _in_turn(db, fetcher, group, now=now, bugs=bugs)

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(poll(group)) for group in await due(db, now)]
    if bugs:
        raise ExceptionGroup("some Sources could not be polled", bugs)
    return total(polled for task in running for polled in task.result())


async def due(db: database.Database, now: datetime) -> list[Group]:
    """Due Sources by host, those that waited longest first."""
    statement = sa.select(Source.id, Source.fetch_url).where(*_is_due(now)).order_by(Source.next_fetch_at, Source.id)
    async with db.reading() as connection:
        rows = (await connection.execute(statement)).all()
    ids: dict[str, list[int]] = {}
    for row in rows:
        ids.setdefault(row.fetch_url, []).append(row.id)
    return [
        Group(politeness.host(urls[0]), tuple(id_ for url in urls for id_ in ids[url]))
        for urls in politeness.by_host(list(ids))
    ]


async def one(db: database.Database, fetcher: Fetcher, source_id: int, now: datetime) -> Polled:
    """Poll a Source if it is still due."""
    async with db.transaction() as connection:
        source = await _claim(connection, source_id, _is_due(now), _next(fetcher, now))
    return await _polled(db, fetcher, source, now) if source else Polled()


async def at_once(db: database.Database, fetcher: Fetcher, source_id: int, now: datetime) -> Polled:
    """Poll a Source whenever it was to be polled next."""
    async with db.transaction() as connection:
        source = await _claim(connection, source_id, (), _next(fetcher, now))
    return await _polled(db, fetcher, source, now) if source else Polled()


async def _in_turn(
    db: database.Database, fetcher: Fetcher, group: Group, *, now: datetime, bugs: list[Exception]
) -> list[Polled]:
    # The operator's own hosts, and files, need no consideration.
    gap = 0.0 if group.host in {"", *fetcher.limits.allow_hosts} else GAP_SECONDS
    found = []
    for number, source_id in enumerate(group.ids):
        await asyncio.sleep(gap if number else 0)
        (result,) = await asyncio.gather(one(db, fetcher, source_id, now), return_exceptions=True)
        if isinstance(result, Polled):
            found.append(result)
        elif isinstance(result, Exception):
            bugs.append(result)
            await _blame(db, source_id, result)
        else:
            raise result
    return found


async def _blame(db: database.Database, source_id: int, bug: Exception) -> None:
    """The operator sees which Source it was; its next time has been set by the claim."""
    bug.add_note(f"while polling source {source_id}")
    reason = f"digest itself failed on it ({type(bug).__name__}); the log has more"
    async with db.transaction() as connection:
        await connection.execute(
            sa.update(Source).where(Source.id == source_id).values(failures=Source.failures + 1, reason=reason)
        )


def _is_due(now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return Source.state == SourceState.ACTIVE, Source.is_polled.is_(True), Source.next_fetch_at <= now


def _next(fetcher: Fetcher, now: datetime, **facts: Any) -> datetime:
    return politeness.next_fetch_at(now, interval=fetcher.interval, **facts)


async def _claim(
    connection: AsyncConnection, source_id: int, conditions: Iterable[sa.ColumnElement[bool]], until: datetime
) -> sa.Row[Any] | None:
    """The Source, if nobody else took it. Whoever dies before recording leaves it to the next interval."""
    statement = sa.update(Source).where(Source.id == source_id, *conditions).values(next_fetch_at=until)
    return (await connection.execute(statement.returning(*Source.__table__.columns))).one_or_none()


async def _polled(db: database.Database, fetcher: Fetcher, source: sa.Row[Any], now: datetime) -> Polled:
    result = await visit.make(_place(source), fetcher)
    async with db.transaction() as connection:
        polled = await _record(connection, fetcher, source, result=result, now=now)
    _tell(source, result, polled)
    return polled


def _place(source: sa.Row[Any]) -> visit.Place:
    """Where to look. A page is asked for its feeds only while no feed is known: a Source in good standing that shows
    a page for once (a login, a maintenance notice) would otherwise be led somewhere else for good."""
    is_lost = source.failures >= FAILURES_BEFORE_RETURN
    if is_lost and source.fetch_url != source.address:
        return visit.Place(source.address, may_discover=True)
    return visit.Place(source.fetch_url, source.etag, source.modified, may_discover=is_lost or not source.fetched_at)


async def _record(
    connection: AsyncConnection, fetcher: Fetcher, source: sa.Row[Any], *, result: visit.Result, now: datetime
) -> Polled:
    match result:
        case visit.Read():
            return await _take(connection, fetcher, source, result=result, now=now)
        case fetch.Unchanged():
            again = _next(fetcher, now, retry_after=result.retry_after)
            url = result.moved_to or _place(source).url
            await _write(connection, source, fetch_url=url, next_fetch_at=again, fetched_at=now, **_WELL)
            return Polled()
        case fetch.Gone():
            reason = "its server says it is gone for good (410)"
            await _write(connection, source, state=SourceState.ENDED, reason=reason, next_fetch_at=None)
            return _set_aside(source, reason)
        case fetch.Refused():
            failures = source.failures + 1
            again = _next(fetcher, now, failures=failures, retry_after=result.retry_after)
            await _write(connection, source, failures=failures, reason=result.reason, next_fetch_at=again)
            return _set_aside(source, result.reason)


async def _take(
    connection: AsyncConnection, fetcher: Fetcher, source: sa.Row[Any], *, result: visit.Read, now: datetime
) -> Polled:
    """Articles, Faults and the validators in one transaction: what a 304 will hide has been stored."""
    shelf = await store.shelf(connection, source.id)
    stored = await store.store(connection, shelf, result.feed.entries, now=now, rules=fetcher.rules)
    faults = (*result.feed.faults, *stored.faults)
    await store.replace_faults(connection, source.id, faults, now)
    await _write(
        connection,
        source,
        title=result.feed.title,
        fetch_url=result.next.url,
        etag=result.next.etag,
        modified=result.next.modified,
        fetched_at=now,
        next_fetch_at=_next(fetcher, now, retry_after=result.retry_after),
        **_WELL,
    )
    return Polled(stored.new, stored.updated, len(faults), stored.held)


async def _write(connection: AsyncConnection, source: sa.Row[Any], **values: Any) -> None:
    """Never the state of one that was ended meanwhile, except by its own 410."""
    await connection.execute(sa.update(Source).where(Source.id == source.id).values(values))


def _set_aside(source: sa.Row[Any], reason: str) -> Polled:
    return Polled(set_aside=1, reasons=(f"{weblinks.shown(source.address)}: {reason}",))


def _tell(source: sa.Row[Any], result: visit.Result, polled: Polled) -> None:
    """The one line that says what came of an attempt."""
    log.info(
        "source_polled",
        source=source.id,
        outcome=type(result).__name__.lower(),
        new=polled.new,
        updated=polled.updated,
        set_aside=polled.set_aside,
        held=polled.held,
        reason=getattr(result, "reason", None),
    )
