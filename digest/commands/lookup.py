"""Finds the rows a person names in a verb, or says in words what there is instead. Reads only."""

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, errors, publications
from digest.audience import models as audience, standing


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
