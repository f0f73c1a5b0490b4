"""How a Subscription stands: itself, whose it is, to what, and what was chosen. Reads only."""

import functools
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


def query() -> sa.Select[Any]:
    """Subscriptions with the columns of whose they are and what was chosen."""
    return (
        sa.select(
            models.Subscription,
            models.Subscriber.email,
            models.Subscriber.key.label("address_key"),
            models.Subscriber.name,
            models.Cadence.frequency,
            models.Cadence.weekday,
            models.Cadence.send_at,
            models.Cadence.timezone,
            models.TopicSet.topics,
        )
        .join(models.Subscriber, models.Subscriber.id == models.Subscription.subscriber_id)
        .join(models.Cadence, models.Cadence.id == models.Subscription.cadence_id)
        .outerjoin(models.TopicSet, models.TopicSet.id == models.Subscription.topic_set_id)
    )


def choice(row: sa.Row[Any]) -> preferences.Choice:
    """What was chosen, of a row of `query`."""
    topics = None if row.topics is None else tuple(row.topics)
    return preferences.Choice(row.frequency, row.weekday, row.send_at, row.timezone, topics)


async def find(connection: AsyncConnection, subscription_id: int, *, lock: bool = False) -> Standing | None:
    """None when there is no such Subscription (any more). `lock` when the caller is going to change it."""
    found = await _found(connection, "id", subscription_id, lock=lock)
    return found[0] if found else None


async def find_all(connection: AsyncConnection, subscriber_id: int, *, lock: bool = False) -> list[Standing]:
    """All Subscriptions of one person, the oldest first."""
    return await _found(connection, "subscriber_id", subscriber_id, lock=lock)


async def _found(connection: AsyncConnection, column: str, which: int, *, lock: bool) -> list[Standing]:
    if lock:
        await lock_those(connection, getattr(models.Subscription, column) == which)
    rows = (await connection.execute(_finding(column), {"p_which": which})).all()
    return [Standing(row, row.email, row.address_key, publications.load(row.spec), choice(row)) for row in rows]


async def lock_those(connection: AsyncConnection, condition: sa.ColumnElement[bool]) -> None:
    """Lock the Subscriptions a caller is going to read and change.

    Apart from reading them: who had to wait for a lock would get the new Subscription beside the rows that were joined
    to the old one (PostgreSQL, READ COMMITTED). On SQLite a write transaction has everything to itself.
    """
    if connection.dialect.name != "sqlite":
        found = sa.select(models.Subscription.id).where(condition)
        # In order of id, so that two nodes never wait for each other in a ring.
        await connection.execute(found.order_by(models.Subscription.id).with_for_update())


@functools.cache
def _finding(column: str) -> sa.Select[Any]:
    """Made once: to build it takes longer than to run it."""
    publication = publications.Publication
    return (
        query()
        .add_columns(publication.spec)
        .join(publication, publication.id == models.Subscription.publication_id)
        .where(getattr(models.Subscription, column) == sa.bindparam("p_which"))
        .order_by(models.Subscription.id)
    )
