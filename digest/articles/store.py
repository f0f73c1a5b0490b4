"""What a document says, written down: new Articles, changes of known ones, and what had to be set aside.

All of it is one step of a transaction that holds the Publication's row lock, the one `release` takes too. So two
documents of a Publication are judged one after the other, and a story that two Sources or two pushes bring at the same
moment is one Article. Positions are never given here and never changed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.articles import changes, models, parse, topics, weblinks
from digest.articles.models import Article, ArticleState
from digest.articles.pictures import rows as pictures

# Faults kept for the operator to see; a feed with more is broken as a whole, and the count tells so.
MAX_FAULTS = 100
_CHUNK = 500  # values in one IN list; SQLite takes 32,766 parameters in a statement
_OPEN = (ArticleState.WAITING, ArticleState.HELD)
_SHOWN = (*_OPEN, ArticleState.RELEASED)  # a mail may still show them


@dataclass(frozen=True, slots=True)
class Stored:
    new: int = 0
    updated: int = 0
    unchanged: int = 0
    held: int = 0
    faults: tuple[parse.Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the Articles go: a Source as it is now, and the Publication as it is while the lock is held."""

    publication: sa.Row[Any]
    source: sa.Row[Any]
    spec: publications.Spec

    def topics_of(self, entry: parse.Entry) -> list[str]:
        return list(topics.match(self.spec.topics, entry, self.source.topics))


async def lock(connection: AsyncConnection, publication_id: int) -> sa.Row[Any]:
    """The Publication's row, ours until the transaction ends."""
    publication = publications.Publication
    statement = sa.update(publication).where(publication.id == publication_id).values(head=publication.head)
    return (await connection.execute(statement.returning(*publication.__table__.columns))).one()


async def touch(connection: AsyncConnection, publication_id: int) -> None:
    """Tell whoever remembers the Publication's Articles that one with a position looks different now."""
    publication = publications.Publication
    await connection.execute(
        sa.update(publication).where(publication.id == publication_id).values(revision=publication.revision + 1)
    )


async def shelf(connection: AsyncConnection, source_id: int) -> Shelf:
    """Takes the lock first: the Source and its topics are read as nobody can change them any more."""
    source = models.Source
    publication_id = await connection.scalar(sa.select(source.publication_id).where(source.id == source_id))
    if publication_id is None:
        raise LookupError(f"source {source_id} is gone")
    publication = await lock(connection, publication_id)
    row = (await connection.execute(sa.select(source).where(source.id == source_id))).one()
    return Shelf(publication, row, publications.load(publication.spec))


async def store(
    connection: AsyncConnection,
    to: Shelf,
    document: Sequence[parse.Entry],
    *,
    now: datetime,
    rules: changes.Rules,
) -> Stored:
    """Judge the entries against what is known, and write what is new or changed."""
    entries = changes.once(document)
    known = await _known(connection, to.source, changes.keys(entries))
    is_first = _is_first(to.source)
    room = await _room(connection, to.publication, now, rules) if is_first else 0
    occasion = changes.Occasion(now, is_first_fetch=is_first, is_publication_empty=room > 0)
    decided = changes.decide(entries, known, occasion=occasion, rules=replace(rules, newest=room))
    new = await _joining_the_held(connection, to.source.id, decided.new)
    await _insert(connection, to, new, now)
    await _update(connection, to, decided.updated, now)
    held = sum(item.state is ArticleState.HELD for item in new)
    return Stored(len(new), len(decided.updated), decided.unchanged, held, decided.faults)


async def replace_faults(
    connection: AsyncConnection, source_id: int, faults: Sequence[parse.Fault], now: datetime
) -> None:
    fault = models.Fault
    await connection.execute(sa.delete(fault).where(fault.source_id == source_id))
    rows = [
        {"source_id": source_id, "place": found.where, "reason": found.reason, "found_at": now}
        for found in faults[:MAX_FAULTS]
    ]
    if rows:
        await connection.execute(sa.insert(fault), rows)


def _is_first(source: sa.Row[Any]) -> bool:
    """What is pushed is meant as it comes; only a feed has a past that is no news."""
    return source.address != models.PUSH and source.fetched_at is None


async def _room(connection: AsyncConnection, publication: sa.Row[Any], now: datetime, rules: changes.Rules) -> int:
    """How many Articles an empty Publication still takes whatever their age, all its Sources together."""
    if publication.head:
        return 0
    waiting = sa.select(sa.func.count()).where(
        Article.publication_id == publication.id, Article.state == ArticleState.WAITING, Article.release_at <= now
    )
    return max(rules.newest - (await connection.execute(waiting)).scalar_one(), 0)


async def _known(connection: AsyncConnection, source: sa.Row[Any], keys: changes.Keys) -> list[changes.Known]:
    of_source, of_publication = Article.source_id == source.id, Article.publication_id == source.publication_id
    searches: tuple[tuple[sa.ColumnElement[bool], Any, Iterable[str]], ...] = (
        (of_source, Article.guid, keys.guids),
        (of_publication, Article.url_key, keys.url_keys),
        (of_source, Article.content_hash, keys.hashes),
    )
    found: dict[int, changes.Known] = {}
    for where, column, values in searches:
        for chunk in _chunks(sorted(values)):
            for row in await connection.execute(_KNOWN.where(where, column.in_(chunk))):
                found[row.id] = changes.Known(
                    row.id, row.source_id == source.id, row.guid, row.url_key, row.content_hash, row.fingerprint
                )
    return [found[id_] for id_ in sorted(found)]


_KNOWN = sa.select(
    Article.id, Article.source_id, Article.guid, Article.url_key, Article.content_hash, Article.fingerprint
)


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


async def _joining_the_held(
    connection: AsyncConnection, source_id: int, new: Sequence[changes.New]
) -> list[changes.New]:
    """While a Source has Articles held, what comes after them is held too: their order is theirs."""
    held = sa.exists().where(Article.source_id == source_id, Article.state == ArticleState.HELD)
    if not new or not await connection.scalar(sa.select(held)):
        return list(new)
    return [replace(item, state=ArticleState.HELD) if item.state is ArticleState.WAITING else item for item in new]


async def _insert(connection: AsyncConnection, to: Shelf, new: Sequence[changes.New], now: datetime) -> None:
    rows = [
        _columns(to, item.entry)
        | pictures.new(item.entry, now if item.state in _OPEN else None)
        | {
            "publication_id": to.publication.id,
            "source_id": to.source.id,
            "guid": item.entry.guid,
            "state": item.state,
            "release_at": item.release_at,
            "version": 1,
            "created_at": now,
            "updated_at": now,
        }
        for item in new
    ]
    if rows:
        await connection.execute(sa.insert(Article), rows)


async def _update(connection: AsyncConnection, to: Shelf, updated: Sequence[changes.Update], now: datetime) -> None:
    before = await _before(connection, [update.article_id for update in updated])
    rows = [_updated(to, before[update.article_id], update.entry, now) for update in updated]
    if rows:
        statement = sa.update(Article).where(Article.id == sa.bindparam("article"))
        await connection.execute(statement.values(version=Article.version + 1), rows)
    if any(row.position is not None for row in before.values()):
        await touch(connection, to.publication.id)


def _updated(to: Shelf, old: sa.Row[Any], entry: parse.Entry, now: datetime) -> dict[str, Any]:
    return {
        **_columns(to, entry),
        **pictures.kept(entry, old, now if old.state in _SHOWN else None),
        "article": old.id,
        "guid": entry.guid or old.guid,
        "release_at": _release_at(old, entry, now),
        "updated_at": now,
    }


async def _before(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, sa.Row[Any]]:
    columns: tuple[Any, ...] = (
        Article.id,
        Article.guid,
        Article.state,
        Article.position,
        Article.published_at,
        Article.release_at,
        *pictures.COLUMNS,
    )
    found: dict[int, sa.Row[Any]] = {}
    for row in await connection.execute(sa.select(*columns).where(Article.id.in_(ids))):
        found[row.id] = row
    return found


def _release_at(old: sa.Row[Any], entry: parse.Entry, now: datetime) -> datetime:
    """A new date moves the release of what is still to be released, and nothing else."""
    is_moved = old.state in _OPEN and entry.published_at != old.published_at
    return max(now, entry.published_at or now) if is_moved else old.release_at


def _columns(to: Shelf, entry: parse.Entry) -> dict[str, Any]:
    """All that a reader sees, and how to recognise it."""
    return {
        "url": entry.url,
        "url_key": weblinks.canonical(entry.url) if entry.url else None,
        "content_hash": entry.content_hash,
        "fingerprint": changes.fingerprint(entry),
        "title": entry.title,
        "standfirst": entry.standfirst,
        "body": entry.body,
        "image_alt": entry.image_alt,
        "author": entry.author,
        "minutes": entry.minutes,
        "categories": list(entry.categories),
        "topics": to.topics_of(entry),
        "related": [[link.title, link.url] for link in entry.related],
        "published_at": entry.published_at,
    }
