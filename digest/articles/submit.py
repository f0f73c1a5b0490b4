"""Articles handed in one by one, and Articles taken back: by command, file or API instead of a feed.

They go through the same cleaning and the same identity as a feed's, in a Source of their own. Leaves Articles; gives
no positions.
"""

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import pydantic
import sqlalchemy as sa
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications
from digest.articles import changes, parse, raw, sources, store, weblinks
from digest.articles.models import PUSH, Article, ArticleState, Source

# What is handed in is meant: never too much at once, never too old.
_RULES = changes.Rules(hold_above=10**9)
LISTED = 50
_DIGITS = 18  # more than that is no number to a database


class SubmitError(errors.DigestError):
    """What was handed in is no Article, or there is no such Article."""


def _web(text: str) -> str:
    found = weblinks.absolute(text)
    if found is None:
        raise ValueError("must be an absolute http or https URL")
    return found


Url = Annotated[str, AfterValidator(_web)]


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Link(Part):
    title: str = ""
    url: Url


class Submission(Part):
    """An Article as its publisher gives it. `body` is HTML, all other texts are plain.

    By `guid`, else by `url`, the same Article is known again and changed. `published_at` in the future schedules it.
    """

    title: str = Field(min_length=1)
    guid: str = ""
    url: Url | None = None
    standfirst: str = ""
    body: str = ""
    image_url: Url | None = None
    image_alt: str = ""
    author: str = ""
    minutes: int | None = Field(None, ge=1, le=600)
    topics: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    related: tuple[Link, ...] = ()
    published_at: pydantic.AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class Retracted:
    """`was_released`: some readers may have it already."""

    id: int
    title: str
    was_released: bool


def read(text: str, *, where: str = "article") -> tuple[Submission, ...]:
    """One Article or a list of them, as JSON. Raises SubmitError that names every mistake."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SubmitError(f"{where} is no valid JSON: {error}") from None
    items = found if isinstance(found, list) else [found]
    submissions, mistakes = [], list[str]()
    for number, item in enumerate(items, 1):
        try:
            submissions.append(Submission.model_validate(item))
        except pydantic.ValidationError as error:
            mistakes += publications.complaints(f"{where}: article {number}", error)
    if mistakes or not submissions:
        raise SubmitError("\n".join(mistakes) or f"{where} holds no article")
    return tuple(submissions)


async def add(
    db: database.Database, publication: sa.Row[Any], submissions: Sequence[Submission], now: datetime
) -> store.Stored:
    """Store them all or none. Raises SubmitError for an unknown Topic or an Article without words."""
    entries = _entries(publications.load(publication.spec), submissions)
    async with db.transaction() as connection:
        source_id = await sources.push_source(connection, publication.id, now)
        shelf = await store.shelf(connection, source_id)
        return await store.store(connection, shelf, entries, now=now, rules=_RULES)


async def retract(db: database.Database, publication: sa.Row[Any], name: str, now: datetime) -> Retracted:
    """Take an Article back, by its number, guid or URL: whoever has not got it yet never will. Raises SubmitError.

    It keeps its position, if it has one, and stays known: a feed that still carries it does not bring it back.
    """
    async with db.transaction() as connection:
        await store.lock(connection, publication.id)
        row = await get(connection, publication, name)
        await take_back(connection, publication.id, row, now)
    return Retracted(row.id, row.title, row.position is not None)


async def take_back(connection: AsyncConnection, publication_id: int, row: Any, now: datetime) -> None:
    """Retract this Article. The caller holds the Publication's lock."""
    values = {"state": ArticleState.RETRACTED, "updated_at": now}
    await connection.execute(sa.update(Article).where(Article.id == row.id).values(values))
    if row.position is not None:
        await store.touch(connection, publication_id)


def entry(spec: publications.Spec, submission: Submission) -> parse.Entry:
    """The Article as it would be stored. Takes a while for a long one, so it is made before a lock is held."""
    return _entries(spec, [submission])[0]


async def put(
    connection: AsyncConnection, publication_id: int, given: parse.Entry, release_at: datetime | None, now: datetime
) -> Any:
    """Store one Article under its guid, and under that alone; its row. None when it is here by another name already.

    Two guids with one URL or the same words are one Article to `store`, which would mail it once: whoever hands it in
    should know. `release_at` counts until the Article is released. The caller undoes its transaction on None.
    """
    source_id = await sources.push_source(connection, publication_id, now)
    shelf = await store.shelf(connection, source_id)
    before = await find(connection, publication_id, given.guid or "", is_own=True)
    if before is not None and before.state is ArticleState.RETRACTED and before.position is None:
        # Nobody has it, so it can come as if it had never been taken back.
        again = sa.update(Article).where(Article.id == before.id)
        await connection.execute(again.values(state=ArticleState.WAITING, updated_at=now))
    stored = await store.store(connection, shelf, [given], now=now, rules=_RULES)
    if before is None and not stored.new:
        return None
    row = await find(connection, publication_id, given.guid or "", is_own=True)
    wanted = release_at or given.published_at
    at = wanted if wanted and wanted > now else min(row.release_at, now)
    if row.state in (ArticleState.WAITING, ArticleState.HELD) and at != row.release_at:
        await connection.execute(sa.update(Article).where(Article.id == row.id).values(release_at=at))
        row = await find(connection, publication_id, given.guid or "", is_own=True)
    return row


async def find(connection: AsyncConnection, publication_id: int, guid: str, *, is_own: bool = False) -> Any:
    """The Article of that guid, those handed in before those of feeds; None if there is none. `is_own`: handed in."""
    is_push = Source.address == PUSH
    # By Source, for guids are indexed under theirs.
    ids = sa.select(Source.id).where(Source.publication_id == publication_id, *([is_push] if is_own else []))
    statement = (
        sa.select(Article, Source.address.label("source"))
        .join(Source, Source.id == Article.source_id)
        .where(Article.source_id.in_(ids), Article.guid == guid)
        .order_by(is_push.desc(), Article.id)
        .limit(1)
    )
    return (await connection.execute(statement)).one_or_none()


def guid_of(text: str) -> str:
    """A guid as Articles are stored under it."""
    return parse.guid(text) or ""


async def get(connection: AsyncConnection, publication: sa.Row[Any], name: str) -> Any:
    """The Article of that number, else of that guid or URL. Raises SubmitError for none or several."""
    is_number = name.isdecimal() and len(name) <= _DIGITS
    found = await _named(connection, publication.id, Article.id == int(name)) if is_number else []
    if not found:
        is_named = sa.or_(Article.guid == name, Article.url_key == weblinks.canonical(name))
        found = await _named(connection, publication.id, is_named)
    if not found:
        raise SubmitError(
            f"{publication.slug} has no article '{name}'; find its number with: digest articles list {publication.slug}"
        )
    if len(found) > 1:
        raise SubmitError(f"'{name}' is several articles; use one of the numbers {', '.join(str(r.id) for r in found)}")
    return found[0]


async def page(
    connection: AsyncConnection, publication_id: int, *, state: ArticleState | None, after: int | None, limit: int
) -> Sequence[Any]:
    """Articles by number, the newest first, below `after`."""
    terms = [Article.state == state] if state else []
    terms += [Article.id < after] if after is not None else []
    statement = (
        sa.select(Article, Source.address.label("source"))
        .join(Source, Source.id == Article.source_id)
        .where(Article.publication_id == publication_id, *terms)
        .order_by(Article.id.desc())
        .limit(limit)
    )
    rows: Any = await connection.execute(statement)
    return list(rows)


async def listing(
    connection: AsyncConnection, publication_id: int, *, state: ArticleState | None = None, limit: int = LISTED
) -> Sequence[Any]:
    """The newest Articles, those without a position first."""
    statement = (
        sa.select(Article, Source.address.label("source"))
        .join(Source, Source.id == Article.source_id)
        .where(Article.publication_id == publication_id, *([Article.state == state] if state else []))
        .order_by(Article.position.desc().nulls_first(), Article.id.desc())
        .limit(limit)
    )
    rows: Any = await connection.execute(statement)
    return list(rows)


async def _named(connection: AsyncConnection, publication_id: int, condition: sa.ColumnElement[bool]) -> Sequence[Any]:
    statement = sa.select(Article.id, Article.title, Article.position).where(
        Article.publication_id == publication_id, condition
    )
    rows: Any = await connection.execute(statement.order_by(Article.id))
    return list(rows)


def _entries(spec: publications.Spec, submissions: Sequence[Submission]) -> list[parse.Entry]:
    entries, mistakes = [], list[str]()
    for number, submission in enumerate(submissions, 1):
        unknown = sorted(set(submission.topics) - set(spec.topic_slugs))
        entry = parse.clean(_raw(submission, f"article {number}"))
        if unknown:
            mistakes.append(f"article {number}: {spec.slug} has no topic {', '.join(unknown)}")
        elif isinstance(entry, parse.Fault):
            mistakes.append(f"{entry.where}: {entry.reason}")
        else:
            entries.append(entry)
    if mistakes:
        raise SubmitError("\n".join(mistakes))
    return entries


def _raw(given: Submission, where: str) -> raw.Item:
    base = given.url or ""
    return raw.Item(
        where=where,
        base=base,
        body_base=base,
        guid=given.guid,
        url=base,
        title=_plain(given.title),
        summary=_plain(given.standfirst),
        body=given.body,
        author=_plain(given.author),
        minutes=str(given.minutes or ""),
        dates=[given.published_at.isoformat()] if given.published_at else [],
        categories=[*given.topics, *map(_plain, given.categories)],
        images=[raw.Image(given.image_url, _plain(given.image_alt))] if given.image_url else [],
        related=[raw.Link(link.url, _plain(link.title)) for link in given.related],
    )


def _plain(text: str) -> str:
    return html.escape(text, quote=False)
