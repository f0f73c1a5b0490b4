"""How a Subscription stands: itself, whose it is, to what, and what was chosen. Reads only."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.audience import models, preferences


@dataclass(frozen=True, slots=True)
class Standing:
    """`subscription` has the Subscription's columns."""

    subscription: sa.Row[Any]
    email: str
    address_key: str
    spec: publications.Spec
    choice: preferences.Choice

    @property
    def state(self) -> models.SubscriptionState:
        return models.SubscriptionState(self.subscription.state)

    def is_paused(self, now: datetime) -> bool:
        until = self.subscription.paused_until
        return until is not None and until > now


async def find(connection: AsyncConnection, subscription_id: int, *, lock: bool = False) -> Standing | None:
    """None when there is no such Subscription (any more). `lock` when the caller is going to change it."""
    query = (
        sa.select(
            models.Subscription,
            models.Subscriber.email,
            models.Subscriber.key.label("address_key"),
            publications.Publication.spec,
            models.Cadence.frequency,
            models.Cadence.weekday,
            models.Cadence.send_at,
            models.Cadence.timezone,
            models.TopicSet.topics,
        )
        .join(models.Subscriber, models.Subscriber.id == models.Subscription.subscriber_id)
        .join(publications.Publication, publications.Publication.id == models.Subscription.publication_id)
        .join(models.Cadence, models.Cadence.id == models.Subscription.cadence_id)
        .outerjoin(models.TopicSet, models.TopicSet.id == models.Subscription.topic_set_id)
        .where(models.Subscription.id == subscription_id)
    )
    if lock:
        query = query.with_for_update(of=models.Subscription)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else _standing(row)


def _standing(row: sa.Row[Any]) -> Standing:
    topics = None if row.topics is None else tuple(row.topics)
    choice = preferences.Choice(row.frequency, row.weekday, row.send_at, row.timezone, topics)
    return Standing(row, row.email, row.address_key, publications.load(row.spec), choice)
