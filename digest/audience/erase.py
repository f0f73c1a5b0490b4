"""Forgetting a person: everything that names them goes, and only a keyed hash of the address stays.

Deletes the Subscriber, their Subscriptions, their trail and what they agreed to. Deliveries keep ids that lead nowhere;
ids are never used again, so links in old mails stay harmless.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import announcements, publications
from digest.audience import address_changes, entrance, models, people, suppression


async def erase(connection: AsyncConnection, hasher: suppression.Hasher, address_key: str, *, now: datetime) -> bool:
    """Forget whoever has this address; false when we knew nobody by it. Either way no import brings it in again."""
    await suppression.add(connection, hasher, address_key, reason=models.SuppressionReason.ERASED, now=now)
    await entrance.erase(connection, address_key)
    subscriber_id = await people.claim(connection, address_key, now=now)
    if subscriber_id is None:
        return False
    theirs = sa.select(models.Subscription.id).where(models.Subscription.subscriber_id == subscriber_id)
    await _announce(connection, subscriber_id, theirs, now)
    for model in (models.Change, models.Consent):
        await connection.execute(sa.delete(model).where(model.subscription_id.in_(theirs)))
    await address_changes.withdraw(connection, subscriber_id)
    await connection.execute(sa.delete(models.Subscription).where(models.Subscription.subscriber_id == subscriber_id))
    await connection.execute(sa.delete(models.Subscriber).where(models.Subscriber.id == subscriber_id))
    return True


async def _announce(connection: AsyncConnection, subscriber_id: int, theirs: sa.Select[Any], now: datetime) -> None:
    """The publisher's programs are told to forget too, and nothing that was to be told of this reader before."""
    await announcements.forget(connection, theirs)
    publication, subscription = publications.Publication, models.Subscription
    found = await connection.execute(
        sa.select(subscription.id, publication.id.label("publication_id"), publication.slug)
        .join(publication, publication.id == subscription.publication_id)
        .where(subscription.subscriber_id == subscriber_id)
    )
    notes = [
        announcements.Note(
            announcements.Event.ERASED,
            now,
            row.publication_id,
            facts={"publication": row.slug, "subscriber": {"id": row.id}},
        )
        for row in found
    ]
    await announcements.leave(connection, notes)
