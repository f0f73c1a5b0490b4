"""What a Publication has on offer for a visitor: how often, from when on, about what. Reads Publications and Articles.

Nothing is known of a visitor but what the browser says: the languages it asks for and, by a script, its time zone.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from starlette.exceptions import HTTPException
from starlette.requests import Request

from digest import database, prepared, publications, zones
from digest.articles import models as articles
from digest.audience import preferences
from digest.editions import cadence, plan, tidy, wording
from digest.web import kept, visits

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


class Applied(NamedTuple):
    """A Spec as last seen: to read one anew takes longer than all the rest of a page."""

    spec: publications.Spec
    at: datetime


async def _find(db: database.Database, slug: str, specs: kept.Kept[Applied]) -> Found:
    if not publications.SLUG.fullmatch(slug):
        # Some of what a path may hold no database takes as a text.
        raise HTTPException(404)
    async with db.glance() as connection:
        rows = await _MARK.run(connection, {"p_slug": slug})
        if not rows:
            raise HTTPException(404)
        id_, applied_at, *_ = mark = rows[0]
        applied = specs.get((id_, applied_at))
        if applied is None:
            found = sa.select(_PUBLICATION.spec, _PUBLICATION.applied_at).where(_PUBLICATION.id == id_)
            row = (await connection.execute(found)).one()
            applied = Applied(publications.load(row.spec), row.applied_at)
            specs.put((id_, applied_at), applied)
    return Found(id_, *applied, mark)


_PUBLICATION = publications.Publication
_MARK = prepared.Statement(
    sa.select(_PUBLICATION.id, _PUBLICATION.applied_at, _PUBLICATION.head, _PUBLICATION.revision).where(
        _PUBLICATION.slug == sa.bindparam("p_slug")
    )
)


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
    async with db.glance() as connection:
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
    # Asked for like this and not by `zones.get`, which would look for similar names.
    return timezone if timezone in zones.names() else None
