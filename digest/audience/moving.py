"""Readers of a frequency or Topic that goes get another one, where the operator says which.

Points Subscriptions at other Cadences and TopicSets, all of one choice in one statement, and leaves a Change row for
each. Never touches `covered_to`: nobody loses or gets twice an Article by it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors, publications
from digest.audience import preferences, trail
from digest.audience.models import Cadence, Change, Subscription, SubscriptionState, TopicSet


class MoveError(errors.DigestError):
    """A move leads nowhere."""


def read(texts: Sequence[str]) -> dict[str, str]:
    """OLD=NEW, any number of them. Raises MoveError."""
    pairs = [text.partition("=") for text in texts]
    for text, (old, _, new) in zip(texts, pairs, strict=True):
        if not old.strip() or not new.strip():
            raise MoveError(f"'{text}' is no move; write OLD=NEW, like --move daily=weekly")
    return {old.strip(): new.strip() for old, _, new in pairs}


async def run(
    connection: AsyncConnection,
    publication_id: int,
    *,
    before: publications.Spec,
    after: publications.Spec,
    moves: Mapping[str, str],
    now: datetime,
) -> None:
    """Move the readers of what `after` no longer has. Raises MoveError if it has not the new one either."""
    mover = _Mover(connection, publication_id, after, now)
    for offer in before.frequencies:
        if offer.frequency in moves and after.offer(offer.frequency) is None:
            await mover.frequency(offer.frequency, moves[offer.frequency])
    for slug in before.topic_slugs:
        if slug in moves and slug not in after.topic_slugs:
            await mover.topic(slug, moves[slug])


class _Mover:
    def __init__(
        self, connection: AsyncConnection, publication_id: int, spec: publications.Spec, now: datetime
    ) -> None:
        self.connection, self.publication_id, self.spec, self.now = connection, publication_id, spec, now

    async def frequency(self, old: str, new: str) -> None:
        offered = [str(offer.frequency) for offer in self.spec.frequencies]
        if new not in offered:
            raise MoveError(f"{self.spec.slug} offers no '{new}' to move to; it has {', '.join(offered)}")
        statement = sa.select(Cadence).where(Cadence.publication_id == self.publication_id, Cadence.frequency == old)
        for row in (await self.connection.execute(statement)).all():
            current = preferences.Choice(row.frequency, row.weekday, row.send_at, row.timezone)
            choice = preferences.fulfil(self.spec, preferences.Wish(frequency=new), current)
            id_ = await preferences.cadence_id(self.connection, self.publication_id, choice, self.now)
            await self._point("cadence_id", row.id, id_)

    async def topic(self, old: str, new: str) -> None:
        if new not in self.spec.topic_slugs:
            known = ", ".join(self.spec.topic_slugs) or "none"
            raise MoveError(f"{self.spec.slug} has no topic '{new}' to move to; it has {known}")
        statement = sa.select(TopicSet).where(TopicSet.publication_id == self.publication_id)
        for row in (await self.connection.execute(statement)).all():
            if old in row.topics:
                topics = {new if slug == old else slug for slug in row.topics}
                id_ = await preferences.topic_set_id(self.connection, self.publication_id, sorted(topics))
                await self._point("topic_set_id", row.id, id_)

    async def _point(self, column: str, old: int, new: int | None) -> None:
        """Those who left keep what they had: whoever comes back chooses from what is on offer then."""
        theirs = sa.and_(
            Subscription.publication_id == self.publication_id,
            getattr(Subscription, column) == old,
            Subscription.state != SubscriptionState.UNSUBSCRIBED,
        )
        entry: dict[str, Any] = {"at": self.now, "what": trail.What.CHANGED, "door": trail.Door.CLI}
        told = [sa.bindparam(name, value, Change.__table__.c[name].type) for name, value in entry.items()]
        before = sa.bindparam("before", {column: old}, sa.JSON())
        made = sa.select(Subscription.id, *told, before).where(theirs)
        await self.connection.execute(sa.insert(Change).from_select(["subscription_id", *entry, "before"], made))
        await self.connection.execute(sa.update(Subscription).where(theirs).values({column: new}))
