"""Publications, to be read: their files are the truth, and `digest apply` puts them into effect. And the key itself."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from pydantic import Field
from starlette.responses import Response

from digest import publications
from digest.audience import preferences
from digest.web.api import answers, shapes
from digest.web.api.route import Calling
from digest.web.api.shapes import Shown


class OfferShape(Shown):
    frequency: str = Field(examples=["weekly"])
    weekday: str | None = Field(examples=["monday"])
    send_at: str | None = Field(examples=["07:00"])


class TopicShape(Shown):
    slug: str
    name: str


class PublicationShape(Shown):
    """What readers may choose, and what a form to sign up has to say."""

    slug: str = Field(examples=["mias-feed"])
    name: str = Field(examples=["Mia's Feed"])
    tagline: str
    timezone: str
    locale: str
    frequencies: list[OfferShape]
    topics: list[TopicShape]
    head: int = Field(description="The position of its newest article.")
    applied_at: datetime


class KeyShape(Shown):
    """The key you came with."""

    handle: str
    name: str
    scopes: list[str]
    publication: str | None
    expires_at: datetime | None


async def listing(
    call: Calling,
    limit: shapes.Limit = shapes.PAGE,
    cursor: shapes.Cursor = None,
) -> Response:
    """The publications this key may touch, by age."""
    publication = publications.Publication
    statement = sa.select(publication).order_by(publication.id).limit(limit + 1)
    if call.key.publication is not None:
        statement = statement.where(publication.slug == call.key.publication)
    if after := answers.after(cursor):
        statement = statement.where(publication.id > after)
    async with call.parts.db.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return answers.page(call.request, [_shape(row) for row in rows], [row.id for row in rows], limit)


async def get(call: Calling, publication: shapes.Slug) -> Response:
    """One publication."""
    async with call.parts.db.reading() as connection:
        return answers.of(_shape(await call.publication(connection, publication)))


async def key(call: Calling) -> Response:
    """What this key opens. A way to try it out."""
    mine = call.key
    return answers.of(
        KeyShape(
            handle=mine.handle,
            name=mine.name,
            scopes=sorted(mine.scopes),
            publication=mine.publication,
            expires_at=mine.expires_at,
        )
    )


def _shape(row: sa.Row[Any]) -> PublicationShape:
    spec = publications.load(row.spec)
    return PublicationShape(
        slug=spec.slug,
        name=spec.name,
        tagline=spec.tagline,
        timezone=spec.timezone,
        locale=spec.locale,
        frequencies=[_offer(offer) for offer in spec.frequencies],
        topics=[TopicShape(slug=topic.slug, name=topic.name) for topic in spec.topics],
        head=row.head,
        applied_at=row.applied_at,
    )


def _offer(offer: publications.Offer) -> OfferShape:
    is_timed = offer.frequency != "instant"
    return OfferShape(
        frequency=offer.frequency,
        weekday=offer.weekday if offer.frequency in preferences.HAVE_WEEKDAY else None,
        send_at=offer.send_at.strftime("%H:%M") if is_timed else None,
    )
