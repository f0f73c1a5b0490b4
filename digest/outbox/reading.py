"""One mail as it was sent, to be read on a page: "view in browser", and the exact list behind "and N more".

Reads a Delivery with its frozen Selection; leaves nothing.
"""

import dataclasses
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, links
from digest.audience import models as audience
from digest.editions import blocks, choose, contents, models as editions
from digest.outbox import models, selections, writer
from digest.publications import Publication


async def html(
    db: database.Database,
    shelves: contents.Shelves,
    scribe: writer.Writer,
    signer: links.Signer,
    token: links.MailToken,
) -> str | None:
    """The mail this token came with, every Article told by name; None if there is none, or it is no longer kept."""
    async with db.reading() as connection:
        row = await _delivery(connection, token)
        if row is None:
            return None
        shelf = await shelves.get(connection, row.publication_id, above=row.head)
        edition = (await connection.execute(_edition(row.edition_id))).one()
        chosen = await selections.load_selection(connection, row.selection_id)
    # A page has room for what the mail only counted.
    rest = tuple(choose.Pick(article_id, None) for article_id in chosen.more)
    everything = dataclasses.replace(chosen, links=chosen.links + rest, more=())
    order = writer.Order((), shelf, edition, everything, row.selection_id, row.locale)
    variant = await scribe.shown(order)
    own = signer.mail_token(token.subscription_id, token.generation, token.delivery_id)
    return "".join(own if part is blocks.Slot.TOKEN else part for part in variant.html)


async def _delivery(connection: AsyncConnection, token: links.MailToken) -> Any:
    delivery, subscription = models.Delivery, audience.Subscription
    statement = (
        sa.select(
            delivery.publication_id, delivery.edition_id, delivery.selection_id, subscription.locale, Publication.head
        )
        .join(subscription, subscription.id == delivery.subscription_id)
        .join(Publication, Publication.id == delivery.publication_id)
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
