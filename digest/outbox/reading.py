"""One mail as it was sent, to be read on a page: "view in browser", and the exact list behind "and N more".

Reads a Delivery with its frozen Selection; leaves nothing.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, links, publications
from digest.articles import models as articles
from digest.audience import models as audience
from digest.editions import blocks, contents, models as editions, tidy
from digest.outbox import manners, models, selections, writer

AT_ONCE = 500


async def html(
    db: database.Database,
    shelves: contents.Shelves,
    scribe: writer.Writer,
    signer: links.Signer,
    token: links.MailToken,
) -> str | None:
    """The mail this token came with, as it was; None if there is none, or it is no longer kept."""
    async with db.reading() as connection:
        row = await _delivery(connection, token)
        if row is None:
            return None
        shelf = await shelves.get(connection, row.publication_id, above=row.head)
        edition = (await connection.execute(_edition(row.edition_id))).one()
        chosen = await selections.load_selection(connection, row.selection_id)
    order = writer.Order((), shelf, edition, chosen, row.selection_id, manners.Manner(row.locale, row.layout))
    variant = await scribe.shown(order)
    own = signer.mail_token(token.subscription_id, token.generation, token.delivery_id)
    return "".join(own if part is blocks.Slot.TOKEN else part for part in variant.html)


@dataclasses.dataclass(frozen=True, slots=True)
class Counted:
    """An Article that a mail counted and did not name; `topic` is the first of its Publication's that it carries."""

    title: str
    url: str | None
    minutes: int
    topic: str | None


async def rest(db: database.Database, token: links.MailToken) -> list[Counted] | None:
    """What stands behind "and N more" in the mail of this token, in the order of the Publication's topics and, under
    each, as it was ranked; None if there is no such mail, or it is no longer kept.
    """
    async with db.reading() as connection:
        row = await _delivery(connection, token)
        if row is None:
            return None
        chosen = await selections.load_selection(connection, row.selection_id)
        rows = await _counted(connection, chosen.more)
    order = publications.load(row.spec).topic_slugs
    found = [_as_counted(rows[id_], order) for id_ in chosen.more if id_ in rows]
    places = {slug: place for place, slug in enumerate(order)}
    return sorted(found, key=lambda one: places.get(one.topic or "", len(places)))


async def _counted(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, Any]:
    """Asked for in pieces: SQLite takes no more than some thousand values in one statement."""
    article, found = articles.Article, dict[int, Any]()
    columns = (article.id, article.title, article.url, article.minutes, article.topics)
    for start in range(0, len(ids), AT_ONCE):
        statement = sa.select(*columns).where(article.id.in_(ids[start : start + AT_ONCE]))
        found |= {row.id: row for row in await connection.execute(statement)}
    return found


def _as_counted(row: Any, order: Sequence[str]) -> Counted:
    topic = next((slug for slug in order if slug in row.topics), None)
    return Counted(tidy.line(row.title) or "—", tidy.url(row.url), row.minutes, topic)


async def _delivery(connection: AsyncConnection, token: links.MailToken) -> Any:
    delivery, subscription = models.Delivery, audience.Subscription
    statement = (
        sa.select(
            delivery.publication_id,
            delivery.edition_id,
            delivery.selection_id,
            subscription.locale,
            subscription.layout,
            publications.Publication.head,
            publications.Publication.spec,
        )
        .join(subscription, subscription.id == delivery.subscription_id)
        .join(publications.Publication, publications.Publication.id == delivery.publication_id)
        # Edition and Selection are pruned after the Delivery; joined all the same, so that this never fails.
        .join(editions.Edition, editions.Edition.id == delivery.edition_id)
        .join(editions.Selection, editions.Selection.id == delivery.selection_id)
        .where(
            delivery.id == token.delivery_id,
            delivery.subscription_id == token.subscription_id,
            delivery.selection_id.is_not(None),
        )
    )
    return (await connection.execute(statement)).one_or_none()


def _edition(edition_id: int) -> Any:
    edition, cadence = editions.Edition, audience.Cadence
    return (
        sa.select(edition, cadence.frequency, cadence.weekday, cadence.send_at, cadence.timezone)
        .join(cadence, cadence.id == edition.cadence_id)
        .where(edition.id == edition_id)
    )
