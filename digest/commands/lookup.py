"""Finds the rows a person names in a verb, or says in words what there is instead. Reads only."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, errors, publications
from digest.audience import models as audience, standing
from digest.editions import choose, contents


class ReaderError(errors.DigestError):
    """Nobody with this address reads the Publication."""


async def reader(connection: AsyncConnection, slug: str, email: str) -> standing.Standing:
    """How this person stands with the Publication. Raises PublicationError, AddressError or ReaderError."""
    publication = await publications.get(connection, slug)
    address = addresses.parse(email)
    subscription, subscriber = audience.Subscription, audience.Subscriber
    query = (
        sa.select(subscription.id)
        .join(subscriber, subscriber.id == subscription.subscriber_id)
        .where(subscriber.key == address.key, subscription.publication_id == publication.id)
    )
    id_ = await connection.scalar(query)
    found = None if id_ is None else await standing.find(connection, id_)
    if found is None:
        raise ReaderError(f"{address.spelling} has never subscribed to {slug}; see: digest subscribers export {slug}")
    return found


async def waiting(
    connection: AsyncConnection,
    publication: sa.Row[Any],
    topics: frozenset[str] | None,
    *,
    covered_to: int,
    now: datetime,
) -> choose.Verdict:
    """What a reader of these Topics would get out of all that is above `covered_to`, were it mailed now."""
    shelf = await contents.Shelves().get(connection, publication.id, above=covered_to)
    return shelf.choose(choose.Reach(topics, covered_to, publication.head), now, is_instant=True)
