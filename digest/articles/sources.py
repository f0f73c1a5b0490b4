"""The Sources of a Publication: named, found, added, brought in line with its file, ended, and let go when held.

Leaves Source rows, and Articles that no longer wait for the operator. Fetching is `poll`'s.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications, sql
from digest.articles import models, poll, store, visit, weblinks
from digest.articles.models import Article, ArticleState, Source, SourceState

# Beyond the length of any URL we would fetch; an index entry of PostgreSQL holds 2,704 bytes.
_MAX_ADDRESS = 2000
_DIGITS = 18  # more than that is no number to a database
_REMOVED = "was taken out of the publication"
# What a Source forgets when it comes back: what it published while away and is old by then is no news.
_AFRESH: dict[str, Any] = {
    "state": SourceState.ACTIVE,
    "fetched_at": None,
    "etag": None,
    "modified": None,
    "failures": 0,
    "reason": None,
}


class SourceError(errors.DigestError):
    """There is no such Source, or this is no place to fetch one from."""


def address(text: str) -> str:
    """The one spelling under which a Source is kept: an http(s) URL, or file:// with an absolute path.

    Raises SourceError. Does not look whether anything is there.
    """
    written = text.strip()
    if written.startswith(("http://", "https://")):
        found = weblinks.absolute(written, keep_user=True)
    elif re.match(r"[a-z][a-z0-9+.-]+:", written) and not written.startswith("file:///"):
        found = None
    else:
        path = visit.file_path(written) if visit.is_file(written) else Path(written)
        found = path.expanduser().absolute().as_uri() if written and "\x00" not in written else None
    if found is None or len(found.encode()) > _MAX_ADDRESS:
        raise SourceError(f"'{written[:200]}' is no feed's address; give an http or https URL, or a file")
    return found


async def ingest(
    db: database.Database, fetcher: visit.Fetcher, publication: sa.Row[Any], text: str, now: datetime
) -> poll.Polled:
    """Fetch this URL or file at once, as a Source of the Publication from now on if it was none.

    A URL is polled from then on; a file only if the Publication's own file names it. Raises SourceError.
    """
    place = address(text)
    is_file = visit.is_file(place)
    if is_file and not visit.file_path(place).is_file():
        raise SourceError(f"there is no file {visit.file_path(place)}; a web address begins with https:// or http://")
    async with db.transaction() as connection:
        source_id = await _put(connection, publication.id, place, is_polled=not is_file, now=now)
    return await poll.at_once(db, fetcher, source_id, now)


async def push_source(connection: AsyncConnection, publication_id: int, now: datetime) -> int:
    """The Source that Articles handed in belong to."""
    return await _put(connection, publication_id, models.PUSH, is_polled=False, now=now)


async def sync(
    connection: AsyncConnection,
    publication_id: int,
    *,
    before: Sequence[publications.SourceSpec],
    after: Sequence[publications.SourceSpec],
    now: datetime,
) -> bool:
    """Make the Sources those of the Publication's file; whether topics of a Source changed.

    Those it never named (handed in by command) stay as they are, and so does one that ended by itself.
    """
    old = {address(spec.url): spec for spec in before}
    new = {address(spec.url): spec for spec in after}
    gone = [place for place in old if place not in new]
    for place, spec in new.items():
        if place not in old:
            await _put(connection, publication_id, place, is_polled=True, now=now)
        values = {"topics": list(spec.topics)}
        await connection.execute(sa.update(Source).where(*_is(publication_id, [place])).values(values))
    await connection.execute(
        sa.update(Source)
        .where(*_is(publication_id, gone))
        .values(state=SourceState.ENDED, reason=_REMOVED, next_fetch_at=None, topics=[])
    )
    return any(place not in old or old[place].topics != spec.topics for place, spec in new.items()) or bool(gone)


async def find(connection: AsyncConnection, name: str, *, publication_id: int | None = None) -> Sequence[sa.Row[Any]]:
    """Sources of that number or address, in one Publication or all."""
    if name.isdecimal() and len(name) <= _DIGITS:
        named = Source.id == int(name)
    else:
        named = Source.address == (name if name == models.PUSH else address(name))
    where = [named] if publication_id is None else [named, Source.publication_id == publication_id]
    return (await connection.execute(sa.select(Source).where(*where).order_by(Source.id))).all()


async def get(connection: AsyncConnection, name: str, *, publication_id: int | None = None) -> sa.Row[Any]:
    """Raises SourceError, also when the address belongs to several Publications."""
    found = await find(connection, name, publication_id=publication_id)
    if not found:
        raise SourceError(f"there is no source '{name}'; digest status lists all, with their numbers")
    if len(found) > 1:
        numbers = ", ".join(str(row.id) for row in found)
        raise SourceError(f"'{name}' is a source of several publications; use one of the numbers {numbers}")
    return found[0]


async def release(db: database.Database, name: str, *, publication_id: int | None = None) -> int:
    """Let go what is held of a Source: the next release gives positions. How many Articles that are."""
    async with db.transaction() as connection:
        source = await get(connection, name, publication_id=publication_id)
        # Without the lock, an update of the same Articles in another order could meet us half-way.
        await store.lock(connection, source.publication_id)
        held = Article.source_id == source.id, Article.state == ArticleState.HELD
        freed = await connection.execute(sa.update(Article).where(*held).values(state=ArticleState.WAITING))
        return int(freed.rowcount)


async def end(db: database.Database, name: str, *, publication_id: int | None = None) -> None:
    """Poll it no more. Its Articles stay."""
    async with db.transaction() as connection:
        source = await get(connection, name, publication_id=publication_id)
        values = {"state": SourceState.ENDED, "reason": "was ended by the operator", "next_fetch_at": None}
        await connection.execute(sa.update(Source).where(Source.id == source.id).values(values))


async def listing(connection: AsyncConnection, publication_id: int | None = None) -> Sequence[sa.Row[Any]]:
    """Every Source with what the operator should know of it: `held` Articles and `faults` of the last fetch."""
    held = sa.select(sa.func.count()).where(Article.source_id == Source.id, Article.state == ArticleState.HELD)
    faults = sa.select(sa.func.count()).where(models.Fault.source_id == Source.id)
    publication = publications.Publication
    statement = (
        sa.select(
            Source,
            publication.slug.label("publication"),
            held.scalar_subquery().label("held"),
            faults.scalar_subquery().label("faults"),
        )
        .join(publication, publication.id == Source.publication_id)
        .order_by(publication.slug, Source.id)
    )
    if publication_id is not None:
        statement = statement.where(Source.publication_id == publication_id)
    return (await connection.execute(statement)).all()


async def faults(connection: AsyncConnection, source_id: int) -> Sequence[sa.Row[Any]]:
    """What was set aside at the last fetch of a Source."""
    fault = models.Fault
    return (await connection.execute(sa.select(fault).where(fault.source_id == source_id).order_by(fault.id))).all()


def _is(publication_id: int, places: Sequence[str]) -> tuple[sa.ColumnElement[bool], ...]:
    return Source.publication_id == publication_id, Source.address.in_(places)


async def _put(connection: AsyncConnection, publication_id: int, place: str, *, is_polled: bool, now: datetime) -> int:
    """The id of the Source at this place, made if need be, brought back if it had ended."""
    statement = sql.insert(connection, Source).values(
        publication_id=publication_id,
        address=place,
        fetch_url=place,
        title="",
        topics=[],
        state=SourceState.ACTIVE,
        is_polled=is_polled,
        next_fetch_at=now if is_polled else None,
        failures=0,
    )
    await connection.execute(statement.on_conflict_do_nothing(index_elements=["publication_id", "address"]))
    here = _is(publication_id, [place])
    await connection.execute(
        sa.update(Source)
        .where(*here, Source.state == SourceState.ENDED)
        .values(fetch_url=place, next_fetch_at=now if is_polled else None, **_AFRESH)
    )
    if is_polled:
        due = sa.func.coalesce(Source.next_fetch_at, now)
        await connection.execute(sa.update(Source).where(*here).values(is_polled=True, next_fetch_at=due))
    return (await connection.execute(sa.select(Source.id).where(*here))).scalar_one()
