"""What a Publication has on offer for a visitor: how often, from when on, about what. Reads Publications and Articles.

Nothing is known of a visitor but what the browser says: the languages it asks for and, by a script, its time zone.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest import database, errors, publications, zones
from digest.articles import models as articles
from digest.audience import preferences
from digest.editions import cadence, plan, tidy, wording
from digest.web import visits

# Enough to see what it is about.
HEADLINES = 3
KEPT_SPECS = 64


@dataclass(frozen=True, slots=True)
class Found:
    """A Publication as it is now. `mark` changes whenever a page about it would."""

    id: int
    spec: publications.Spec
    applied_at: datetime
    mark: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Visitor:
    """How to speak to somebody: a zone and a language, both of which we know."""

    timezone: str
    language: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A frequency, and when its first digest would come; None as it happens."""

    frequency: str
    choice: preferences.Choice
    first_at: datetime | None


async def find(request: Request) -> Found:
    """The Publication the path names. Raises HTTPException 404."""
    return await _find(visits.parts(request).db, request.path_params["slug"], request.app.state.specs)


class Specs:
    """Specs as last seen: to read one anew takes longer than all the rest of a page."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, datetime], publications.Spec] = OrderedDict()

    def get(self, row: Any) -> publications.Spec | None:
        return self._kept.get((row.id, row.applied_at))

    def put(self, row: Any, spec: publications.Spec) -> None:
        self._kept[row.id, row.applied_at] = spec
        while len(self._kept) > KEPT_SPECS:
            self._kept.popitem(last=False)


async def _find(db: database.Database, slug: str, specs: Specs) -> Found:
    publication = publications.Publication
    columns = (publication.id, publication.applied_at, publication.head, publication.revision)
    if not publications.SLUG.fullmatch(slug):
        # Some of what a path may hold no database takes as a text.
        raise HTTPException(404)
    async with db.glance() as connection:
        row = (await connection.execute(sa.select(*columns).where(publication.slug == slug))).one_or_none()
        if row is None:
            raise HTTPException(404)
        spec = specs.get(row)
        if spec is None:
            stored = await connection.scalar(sa.select(publication.spec).where(publication.id == row.id))
            spec = publications.load(stored or {})
            specs.put(row, spec)
    return Found(row.id, spec, row.applied_at, tuple(row))


async def headlines(db: database.Database, found: Found) -> list[tuple[str, str | None]]:
    """The newest titles, with where they lie."""
    article = articles.Article
    newest = (
        sa.select(article.title, article.url)
        .where(
            article.publication_id == found.id,
            article.state == articles.ArticleState.RELEASED,
            article.position.is_not(None),
        )
        .order_by(article.position.desc())
        .limit(HEADLINES)
    )
    async with db.reading() as connection:
        rows = (await connection.execute(newest)).all()
    return [(title, tidy.url(row.url)) for row in rows if (title := tidy.line(row.title))]


def on_offer(spec: publications.Spec, timezone: str, now: datetime) -> list[Offer]:
    return [_offer(spec, offer.frequency, timezone, now) for offer in spec.frequencies]


def _offer(spec: publications.Spec, frequency: str, timezone: str, now: datetime) -> Offer:
    choice = preferences.fulfil(spec, preferences.Wish(frequency, timezone=timezone))
    return Offer(frequency, choice, first_at(spec, choice, now))


def first_at(spec: publications.Spec, choice: preferences.Choice, now: datetime) -> datetime | None:
    """When the first digest of this choice is due, in its own zone; None as it happens."""
    due = cadence.next_due(plan.rule_of(choice, spec), now)
    return due.astimezone(zones.get(choice.timezone)) if due else None


def visitor(request: Request, spec: publications.Spec, *, timezone: str = "", language: str = "") -> Visitor:
    """How to speak to whoever asks: as they say, else as their browser says, else as the Publication does."""
    spoken = wording.spoken()
    accepted = wording.negotiated(request.headers.get("accept-language", ""))
    own = spec.locale.partition("-")[0]
    tongue = language if language in spoken else accepted or (own if own in spoken else "en")
    return Visitor(_known(timezone) or spec.timezone, tongue)


def _known(timezone: str) -> str | None:
    try:
        return zones.get(timezone).key if timezone else None
    except errors.DigestError:
        return None
