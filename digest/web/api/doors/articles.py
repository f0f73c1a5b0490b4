"""Articles: handed in and changed by guid, scheduled, taken back, got and listed."""

from datetime import datetime
from typing import Annotated, Any

import pydantic
from fastapi import Path, Query
from pydantic import Field
from starlette.responses import Response

from digest import publications
from digest.articles import store, submit, weblinks
from digest.articles.models import ArticleState
from digest.web.api import answers, problems, shapes
from digest.web.api.route import Calling
from digest.web.api.shapes import Given, Instant, Line, Shown, Text

# Paths hold it whole, slashes and all.
Guid = Annotated[
    str,
    Path(description="What you know the article by.", min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$"),
]
Web = Annotated[str, Field(max_length=weblinks.MAX_LENGTH, pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\x00]+$")]
EXAMPLE: dict[str, Any] = {
    "title": "Coffee is good for you again",
    "url": "https://example.org/coffee",
    "standfirst": "A study of 40,000 drinkers finds what the last one did not.",
    "body": "<p>Two cups a day, says the study, and not after three.</p>",
    "topics": ["nutrition"],
    "release_at": "2026-12-01T06:00:00Z",
}


class LinkShape(Given):
    title: Line = ""
    url: Web


class ArticleGiven(Given):
    """An article, whole: what is left out is empty. `body` is HTML, all other texts are plain.

    It is mailed with the digests due after `release_at`, which is now if you do not say.
    """

    model_config = pydantic.ConfigDict(json_schema_extra={"examples": [EXAMPLE]})
    title: Annotated[str, Field(min_length=1, max_length=1000, pattern=shapes.NO_NUL)]
    url: Web | None = None
    standfirst: Text = ""
    body: Annotated[str, Field(max_length=1_000_000, pattern=shapes.NO_NUL)] = ""
    image_url: Web | None = None
    image_alt: Line = ""
    author: Line = ""
    minutes: int | None = Field(None, ge=1, le=600)
    topics: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    categories: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    related: Annotated[tuple[LinkShape, ...], Field(max_length=50)] = ()
    published_at: Instant | None = None
    release_at: Instant | None = None


class LinkShown(Shown):
    title: str
    url: str


class ArticleListed(Shown):
    """An article as readers see it: cleaned, with the topics it carries. `position` is null until it is released."""

    id: int
    guid: str | None
    state: ArticleState
    position: int | None
    version: int
    source: str = Field(description="push, or the feed it came from.")
    title: str
    url: str | None
    standfirst: str
    image_url: str | None
    image_alt: str
    author: str
    minutes: int
    topics: list[str]
    categories: list[str]
    published_at: datetime | None
    release_at: datetime
    released_at: datetime | None
    created_at: datetime
    updated_at: datetime


class ArticleShape(ArticleListed):
    body: str
    related: list[LinkShown]


async def listing(
    call: Calling,
    publication: shapes.Slug,
    state: Annotated[ArticleState | None, Query()] = None,
    limit: shapes.Limit = shapes.PAGE,
    cursor: shapes.Cursor = None,
) -> Response:
    """Articles, the newest first, without their bodies."""
    after = answers.after(cursor)
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        rows = await submit.page(connection, row.id, state=state, after=after, limit=limit + 1)
    shown = [ArticleListed.model_validate(_columns(one, ArticleListed)) for one in rows]
    return answers.page(call.request, shown, [one.id for one in rows], limit)


async def get(call: Calling, publication: shapes.Slug, guid: Guid) -> Response:
    """One article, of those handed in or of a feed's."""
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        return answers.of(_shape(_known(await submit.find(connection, row.id, submit.guid_of(guid)), guid)))


async def put(call: Calling, publication: shapes.Slug, guid: Guid, given: ArticleGiven) -> Response:
    """Hand an article in, or change it. Sending the same twice changes nothing.

    One that was retracted before its release waits for it again.
    """
    submission = _submission(guid, given)
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
    entry = submit.entry(publications.load(row.spec), submission)
    async with call.parts.db.transaction() as connection:
        await store.lock(connection, row.id)
        before = await submit.find(connection, row.id, entry.guid or "", is_own=True)
        answers.check(call.request, _shape(before) if before else None)
        if before and before.state is ArticleState.RETRACTED and before.position is not None:
            raise problems.Problem(
                "conflict",
                "this article was retracted after its release and stays so, for some readers may have it; "
                "what is to be told instead is an article of its own, with a guid, a URL and words of its own",
            )
        stored = await submit.put(connection, row.id, entry, given.release_at, call.now)
        if stored is None:
            raise problems.Problem(
                "conflict", "an article with this URL or these words is here under another guid, and would come twice"
            )
    return answers.of(_shape(stored), 200 if before else 201)


async def retract(call: Calling, publication: shapes.Slug, guid: Guid) -> Response:
    """Take an article back: whoever has not got it yet never will. A feed that carries it does not bring it back."""
    async with call.parts.db.transaction() as connection:
        row = await call.publication(connection, publication)
        await store.lock(connection, row.id)
        found = _known(await submit.find(connection, row.id, submit.guid_of(guid)), guid)
        answers.check(call.request, _shape(found))
        if found.state is not ArticleState.RETRACTED:
            await submit.take_back(connection, row.id, found, call.now)
        return answers.of(_shape(await submit.find(connection, row.id, submit.guid_of(guid))))


def _submission(guid: str, given: ArticleGiven) -> submit.Submission:
    if not submit.guid_of(guid):
        raise problems.refuse("a guid needs a letter or digit")
    try:
        return submit.Submission.model_validate(given.model_dump(exclude={"release_at"}) | {"guid": guid})
    except pydantic.ValidationError as error:
        raise problems.of_schema(error) from None


def _known(row: Any, guid: str) -> Any:
    if row is None:
        raise problems.Problem("not-found", f"there is no article with the guid '{guid[:200]}'")
    return row


def _shape(row: Any) -> ArticleShape:
    related = [LinkShown(title=title, url=url) for title, url in row.related]
    return ArticleShape(**_columns(row, ArticleListed), body=row.body, related=related)


def _columns(row: Any, shape: type[Shown]) -> dict[str, Any]:
    found = {name: getattr(row, name) for name in shape.model_fields}
    return found | {"source": weblinks.shown(row.source)}
