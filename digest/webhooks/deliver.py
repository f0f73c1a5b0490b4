"""Tells Endpoints what waits for them: the pass for `digest run`, and a courier for the daemon.

Reads Announcements that are due; each is taken for a minute by one transaction, posted, and its end recorded by
another. A process that dies in between leaves it to be told again, under the same id: at least once, never lost.
Endpoints are told beside each other, each one thing after the other, so a slow one holds up nobody else.
"""

import asyncio
import functools
import random
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import clock, database, links, metrics
from digest.announcements import Announcement, Endpoint
from digest.webhooks import patience, payload, post, sign

# Longer than a post may take; then another process may try.
LEASE = timedelta(minutes=1)
# An Endpoint that failed so often in a row is left alone for a moment: it is down, and all would wait for it in turn.
IN_A_ROW = 3
REST = timedelta(minutes=1)
TOLD = metrics.counter("digest_webhooks_total", "Posts to endpoints of publishers, by what came of them.", ("result",))

Trap = Callable[[Awaitable[None]], Coroutine[Any, Any, None]]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Desk:
    """What telling takes."""

    db: database.Database
    seal: sign.Seal
    way: post.Way
    clock: clock.Clock
    stamp: str = ""  # tells the ids of two installations apart


@dataclass
class Courier:
    """One per process. `trap` keeps a bug with one Endpoint from the others."""

    desk: Desk
    trap: Trap
    _busy: dict[int, "asyncio.Task[None]"] = field(default_factory=dict)

    async def turn(self) -> None:
        """Set out to every Endpoint for which something is due and to which nobody is under way."""
        for endpoint_id in await due(self.desk):
            if endpoint_id not in self._busy:
                task = asyncio.create_task(self.trap(_tell_all(self.desk, endpoint_id)))
                self._busy[endpoint_id] = task
                task.add_done_callback(functools.partial(self._back, endpoint_id))

    def _back(self, endpoint_id: int, _task: "asyncio.Task[None]") -> None:
        self._busy.pop(endpoint_id, None)

    async def stop(self) -> None:
        """Whatever is under way is told again by the next process."""
        for task in self._busy.values():
            task.cancel()
        await asyncio.gather(*self._busy.values(), return_exceptions=True)


async def run(desk: Desk, *, trap: Trap) -> int:
    """Tell all that is due, once; how many Endpoints there were to tell."""
    ids = await due(desk)
    await asyncio.gather(*(trap(_tell_all(desk, id_)) for id_ in ids))
    return len(ids)


async def tell(desk: Desk, announcement_id: int, *, trap: Trap) -> None:
    """Tell this one now, whatever else waits."""
    async with desk.db.reading() as connection:
        find = sa.select(Announcement.endpoint_id).where(Announcement.id == announcement_id)
        endpoint_id = (await connection.execute(find)).scalar_one()
    await trap(_tell_one(desk, endpoint_id, announcement_id))


async def _tell_one(desk: Desk, endpoint_id: int, announcement_id: int) -> None:
    if taken := await _take(desk, endpoint_id, only=announcement_id):
        await _record(desk, *taken, await _post(desk, *taken))


async def due(desk: Desk) -> Sequence[int]:
    """Endpoints for which something is due."""
    now = desk.clock()
    waits = sa.exists().where(
        Announcement.endpoint_id == Endpoint.id, Announcement.ended_at.is_(None), Announcement.due_at <= now
    )
    rested = sa.or_(Endpoint.rests_until.is_(None), Endpoint.rests_until <= now)
    async with desk.db.reading() as connection:
        found = await connection.execute(sa.select(Endpoint.id).where(Endpoint.stopped_at.is_(None), rested, waits))
        return found.scalars().all()


async def _tell_all(desk: Desk, endpoint_id: int) -> None:
    """One after the other, until nothing is due or the Endpoint had better be left alone."""
    failures = 0
    while failures < IN_A_ROW:
        taken = await _take(desk, endpoint_id)
        if taken is None:
            return
        result = await _post(desk, *taken)
        await _record(desk, *taken, result)
        failures = 0 if isinstance(result, post.Taken) else failures + 1
        if isinstance(result, post.Gone):
            return
    await _rest(desk, endpoint_id)


async def _take(desk: Desk, endpoint_id: int, *, only: int | None = None) -> tuple[Any, Any] | None:
    """The Endpoint and the oldest of what is due, which is ours for a while."""
    while True:
        async with desk.db.transaction() as connection:
            taken = await _look(connection, desk.clock(), endpoint_id, only)
        if taken is None or taken[1].body is not None:
            return taken


async def _look(
    connection: AsyncConnection, now: datetime, endpoint_id: int, only: int | None
) -> tuple[Any, Any] | None:
    """As `_take`; it has no body where its reader or Edition is gone: it has ended, and there may be another."""
    row = Announcement
    these = row.id == only if only else row.due_at <= now
    oldest = (
        sa.select(row)
        .where(row.endpoint_id == endpoint_id, row.ended_at.is_(None), these)
        .order_by(row.due_at, row.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    endpoint = (await connection.execute(sa.select(Endpoint).where(Endpoint.id == endpoint_id))).one_or_none()
    found = (await connection.execute(oldest)).one_or_none()
    if endpoint is None or endpoint.stopped_at is not None or found is None:
        return None
    body = found.body or await payload.body(connection, found)
    values = {"due_at": now + LEASE, "tries": row.tries + 1, "body": body}
    if body is None:
        values = {"ended_at": now, "trouble": "nothing is left to tell of"}
    taken = sa.update(row).where(row.id == found.id).values(values).returning(row)
    return endpoint, (await connection.execute(taken)).one()


async def _post(desk: Desk, endpoint: Any, row: Any) -> post.Result:
    now = desk.clock()
    sealed = [endpoint.secret]
    if endpoint.old_secret and endpoint.old_until > now:
        sealed.append(endpoint.old_secret)
    opened = [secret for secret in map(desk.seal.open, sealed) if secret]
    if not opened:
        return post.Failed("its secret was sealed with a signing key that is gone; make it a new one: webhooks rotate")
    body = row.body.encode()
    headers = sign.headers(message_id(row.id, desk.stamp), now, body, opened)
    return await post.post(endpoint.url, body, headers, desk.way)


def message_id(announcement_id: int, stamp: str) -> str:
    """The same at every try, by which a receiver knows a repetition."""
    return f"msg_{stamp}{links.base36(announcement_id)}"


async def _record(desk: Desk, endpoint: Any, row: Any, result: post.Result) -> None:
    now, values = desk.clock(), dict[str, Any]()
    # The body holds an address; once told it is nobody's business here.
    ended: dict[str, Any] = {"ended_at": now, "body": None}
    stopped: str | None = None
    match result:
        case post.Taken():
            values = ended | {"is_told": True, "trouble": None}
        case post.Gone():
            values, stopped = ended | {"trouble": "410 Gone"}, "it answered 410 Gone: it wants nothing more"
        case post.Failed():
            wait = patience.pause(row.tries, asked=result.retry_after, random=random.random)
            values = {"due_at": now + wait} if wait else ended
            values |= {"trouble": result.reason}
            stopped = None if wait else f"{row.tries} tries over days came to nothing: {result.reason}"
    name = type(result).__name__.lower()
    TOLD.labels(name).inc()
    log.info("webhook", endpoint=endpoint.id, announcement=row.id, about=row.event.value, result=name, tries=row.tries)
    async with desk.db.transaction() as connection:
        await connection.execute(sa.update(Announcement).where(Announcement.id == row.id).values(values))
        if stopped:
            await _stop(connection, endpoint.id, stopped, desk)


async def _stop(connection: AsyncConnection, endpoint_id: int, reason: str, desk: Desk) -> None:
    log.warning("webhook_stopped", endpoint=endpoint_id, reason=reason)
    mine = sa.update(Endpoint).where(Endpoint.id == endpoint_id, Endpoint.stopped_at.is_(None))
    await connection.execute(mine.values(stopped_at=desk.clock(), stopped_reason=reason))


async def _rest(desk: Desk, endpoint_id: int) -> None:
    async with desk.db.transaction() as connection:
        mine = sa.update(Endpoint).where(Endpoint.id == endpoint_id)
        await connection.execute(mine.values(rests_until=desk.clock() + REST))


async def prune(db: database.Database, before: datetime) -> int:
    """Forget what ended before, and what has waited since then for an Endpoint that was stopped."""
    stopped = sa.select(Endpoint.id).where(Endpoint.stopped_at.is_not(None))
    row = Announcement
    in_vain = sa.and_(row.ended_at.is_(None), row.endpoint_id.in_(stopped), row.at < before)
    async with db.transaction() as connection:
        ended = await connection.execute(sa.delete(row).where(row.ended_at < before))
        waited = await connection.execute(sa.delete(row).where(in_vain))
    return ended.rowcount + waited.rowcount
