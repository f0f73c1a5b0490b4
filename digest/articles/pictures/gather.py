"""The pass that looks at pictures of Articles: how large they are, and a copy of our own where a Publication wants one.

Reads Articles whose picture is due; leaves size, format, the name of a copy, or the reason why there is none. Runs
between poll and release and for a bounded time, so nothing waits for a slow server: an Article without a copy is told
with its original picture, and once the copy is there, mails not yet handed over show that.
"""

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications, sql
from digest.articles import fetch, guard, politeness, store
from digest.articles.models import Article, Picture
from digest.articles.pictures import header, kinds, studio

log = structlog.get_logger()

AT_ONCE = 200  # Articles in one run; more are due again in the next
HOSTS_AT_ONCE = 4  # each answer may fill `max_bytes`
LEASE = timedelta(minutes=10)  # whoever dies before recording leaves the rest to then
TRIES = 4  # over some five hours: by then the Article has been told
FIRST_WAIT = timedelta(minutes=15)
# What servers say that will not be otherwise in an hour.
_FINAL = {401, 402, 403, 404, 405, 406, 410, 451}
# Matters of settings, of limits, or of what the feed wrote: they do not mend themselves.
_TOO_LARGE = "larger than allowed"
_FIXED = ("not on the public Internet", _TOO_LARGE, "no http or https", "no web address")
_ACCEPT = "image/jpeg, image/png, image/gif;q=0.9, image/webp;q=0.5, image/*;q=0.3"
_BEGINNING = fetch.Wish(_ACCEPT, header.is_enough, first=header.MOST)
_WHOLE = fetch.Wish(_ACCEPT)
_EXTENSIONS = {"jpeg": "jpg", "png": "png"}


@dataclass(frozen=True, slots=True)
class Gatherer:
    """How pictures are looked at. Without `measures`, only those of which a copy is wanted."""

    limits: fetch.Limits = field(default_factory=fetch.Limits)
    measures: bool = False
    total: timedelta = timedelta(seconds=60)  # to begin looks in, so that the next poll is not late
    resolve: guard.Resolver = guard.system_resolver


@dataclass(frozen=True, slots=True)
class Fault:
    """`reason` in words for the operator; a final one is not tried again."""

    reason: str
    is_final: bool


Result = header.Seen | studio.Copy | Fault


@dataclass(slots=True)
class Gathered:
    measured: int = 0
    copied: int = 0
    failed: int = 0


async def run(db: database.Database, gatherer: Gatherer, now: datetime) -> Gathered:
    """Look at all that is due, as far as time goes; what is left stays due. A bug that one picture brings to light
    stops no other, and rises when all are done."""
    done, rows = Gathered(), await _due(db, now)
    needed = [row for row in rows if _is_needed(gatherer, row)]
    await _let_be(db, [row.id for row in rows if row not in needed], now)
    hosts = politeness.by_host(list(dict.fromkeys(row.image_url for row in needed)))
    room, drawing = asyncio.Semaphore(HOSTS_AT_ONCE), asyncio.Semaphore(studio.AT_ONCE)
    # Not a time-out: that could cut off the recording of what is known. The last look may take its own time longer.
    until = time.monotonic() + gatherer.total.total_seconds()

    async def visit(urls: Sequence[str]) -> None:
        async with room:
            for row in (row for url in urls for row in needed if row.image_url == url):
                if time.monotonic() < until:
                    await _one(db, gatherer, row, now=now, done=done, drawing=drawing)

    results = await asyncio.gather(*(visit(urls) for urls in hosts), return_exceptions=True)
    if bugs := [result for result in results if isinstance(result, Exception)]:
        raise ExceptionGroup("some pictures could not be looked at", bugs)
    return done


def _is_needed(gatherer: Gatherer, row: sa.Row[Any]) -> bool:
    is_unknown = not row.image_width or not row.image_kind
    return row.images == "rehost" or (gatherer.measures and is_unknown)


async def _let_be(db: database.Database, ids: Sequence[int], now: datetime) -> None:
    """Nobody wants to know more of these."""
    if ids:
        statement = sa.update(Article).where(Article.id.in_(ids), Article.image_due_at <= now).values(image_due_at=None)
        async with db.transaction() as connection:
            await connection.execute(statement)


async def _due(db: database.Database, now: datetime) -> Sequence[sa.Row[Any]]:
    publication = publications.Publication
    statement = (
        sa.select(
            Article.id, Article.publication_id, Article.image_url, Article.image_width, Article.image_kind,
            Article.image_tries, publication.spec["images"].as_string().label("images"),
        )
        .join(publication, publication.id == Article.publication_id)
        .where(Article.image_due_at <= now)
        .order_by(Article.image_due_at, Article.id)
        .limit(AT_ONCE)
    )  # fmt: skip
    async with db.reading() as connection:
        return (await connection.execute(statement)).all()


async def _one(
    db: database.Database, gatherer: Gatherer, row: Any, *, now: datetime, done: Gathered, drawing: asyncio.Semaphore
) -> None:
    if not await _claimed(db, row, now):
        return
    result = await _looked(gatherer, row.image_url, copies=row.images == "rehost", drawing=drawing)
    done.failed += isinstance(result, Fault)
    done.copied += isinstance(result, studio.Copy)
    done.measured += isinstance(result, header.Seen)
    await _record(db, row, result, now)


async def _claimed(db: database.Database, row: Any, now: datetime) -> bool:
    """Whether the look is ours. Two nodes run this pass at once; the condition lets one of them through.

    The try counts from here: one that ends us is not made for ever.
    """
    is_last = row.image_tries >= TRIES
    values = {"image_due_at": None, "image_fault": "looking at it failed again and again"} if is_last else {
        "image_due_at": now + LEASE, "image_tries": row.image_tries + 1
    }  # fmt: skip
    statement = sa.update(Article).where(Article.id == row.id, Article.image_due_at <= now).values(values)
    async with db.transaction() as connection:
        return (await connection.execute(statement)).rowcount == 1 and not is_last


async def _looked(gatherer: Gatherer, url: str, *, copies: bool, drawing: asyncio.Semaphore) -> Result:
    wish = _WHOLE if copies else _BEGINNING
    answer = await fetch.get(url, limits=gatherer.limits, resolve=gatherer.resolve, wish=wish)
    if not isinstance(answer, fetch.Document):
        return _fault(answer)
    seen = header.read(answer.body[: header.MOST])
    if not seen.kind:
        return Fault("what its address answers is no picture", is_final=True)
    if not copies:
        return replace(seen, kind=kinds.HEAVY) if answer.total > kinds.HEAVIEST else seen
    async with drawing:
        drawn = await studio.redrawn(answer.body)
    return Fault(f"no copy could be made: {drawn.reason}", is_final=True) if isinstance(drawn, studio.Unfit) else drawn


def _fault(answer: fetch.Unchanged | fetch.Gone | fetch.Refused) -> Fault:
    if not isinstance(answer, fetch.Refused):
        return Fault("its server says it is gone", is_final=True)
    is_fixed = any(part in answer.reason for part in _FIXED)
    return Fault(answer.reason, is_final=is_fixed or answer.status in _FINAL)


async def _record(db: database.Database, row: Any, result: Result, now: datetime) -> None:
    async with db.transaction() as connection:
        # As everybody who changes Articles does, so that two of them cannot meet half-way.
        await store.lock(connection, row.publication_id)
        values = await _values(connection, row, result, now)
        mine = Article.id == row.id, Article.image_url == row.image_url
        changed = sa.update(Article).where(*mine).values(**values).returning(Article.position)
        found = (await connection.execute(changed)).one_or_none()
        if found and found.position is not None and not isinstance(result, Fault):
            await store.touch(connection, row.publication_id)
    reason = result.reason if isinstance(result, Fault) else None
    log.info("picture_looked_at", article=row.id, outcome=type(result).__name__.lower(), reason=reason)


async def _values(connection: AsyncConnection, row: Any, result: Result, now: datetime) -> dict[str, Any]:
    match result:
        case Fault(reason, is_final):
            tries = row.image_tries + 1
            again = None if is_final or tries >= TRIES else now + FIRST_WAIT * 4 ** (tries - 1)
            heavy = {"image_kind": kinds.HEAVY} if _TOO_LARGE in reason else {}
            return {"image_due_at": again, "image_fault": reason, **heavy}
        case studio.Copy():
            name = await _keep(connection, result, now)
            return {"image_copy": name, "image_width": result.width, "image_height": result.height, **_well()}
        case header.Seen(kind, width, height):
            size = {"image_width": width, "image_height": height} if width else {}
            return {"image_kind": kind, **size, **_well()}


def _well() -> dict[str, Any]:
    """The Article looks different now."""
    return {"image_tries": 0, "image_due_at": None, "image_fault": None, "version": Article.version + 1}


async def _keep(connection: AsyncConnection, copy: studio.Copy, now: datetime) -> str:
    """The name of this content; made anew, it lives on from now."""
    name = f"{hashlib.sha256(copy.content).hexdigest()[:40]}.{_EXTENSIONS[copy.kind]}"
    values = {"name": name, "content": copy.content, "width": copy.width, "height": copy.height, "made_at": now}
    made = sql.insert(connection, Picture).values(values)
    await connection.execute(made.on_conflict_do_update(index_elements=["name"], set_={"made_at": now}))
    return name
