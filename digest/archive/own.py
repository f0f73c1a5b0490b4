"""What one reader was sent, newest first: the digests that are still kept. Reads only.

Deliveries are found by Edition and Subscription, so a list of millions needs no index by reader: one looks into the
Editions of the Cadences this reader has had, which the trail knows.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.archive import pages
from digest.audience import trail
from digest.editions import models as editions
from digest.outbox import models as outbox

AT_MOST = 20
# So many Articles of a digest are named.
NAMED = 10
# As it happens there may be fifty Editions a day, kept for years: no look goes back further than so many.
EDITIONS = 2_000


@dataclass(frozen=True, slots=True)
class Sent:
    """One digest, with the first of its Articles; `count` is how many it told in all."""

    delivery_id: int
    at: datetime
    leads: tuple[pages.Lead, ...]
    count: int


async def sent(connection: AsyncConnection, subscription: Any, *, at_most: int = AT_MOST) -> list[Sent]:
    """What this Subscription's reader was sent."""
    edition, delivery = editions.Edition, outbox.Delivery
    cadences = await trail.cadences(connection, subscription)
    recent = sa.select(edition.id).where(edition.cadence_id.in_(cadences)).order_by(edition.id.desc()).limit(EDITIONS)
    statement = (
        sa.select(delivery.id, delivery.handed_over_at, delivery.finished_at, editions.Selection.picks)
        .select_from(edition)
        .join(delivery, sa.and_(delivery.edition_id == edition.id, delivery.subscription_id == subscription.id))
        .join(editions.Selection, editions.Selection.id == delivery.selection_id)
        .where(edition.id.in_(recent), delivery.state == outbox.DeliveryState.SENT)
        .order_by(edition.id.desc())
        .limit(at_most)
    )
    rows = (await connection.execute(statement)).all()
    ids = {row.id: [pick[0] for pick in (*row.picks["full"], *row.picks["links"])] for row in rows}
    found = await pages.named(connection, {id_ for each in ids.values() for id_ in each[:NAMED]})
    return [
        Sent(
            row.id,
            row.handed_over_at or row.finished_at,
            tuple(found[id_] for id_ in ids[row.id][:NAMED] if id_ in found),
            len(ids[row.id]) + len(row.picks["more"]),
        )
        for row in rows
    ]
