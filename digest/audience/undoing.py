"""Taking back one's last change, for a day: leaving as well as a choice.

Reads the trail, sets the Subscription as it stood before, and leaves a Change row. What is no longer on offer is not
brought back. Never touches `covered_to`.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.audience import models, preferences, standing, trail

# Long enough to notice a slip, short enough that a forwarded mail does not stay a way to bring somebody back.
LASTS = timedelta(days=1)


async def find(connection: AsyncConnection, subscription_id: int, now: datetime) -> sa.Row[Any] | None:
    """The reader's own last change, if it can still be taken back."""
    last = await trail.find_newest(connection, subscription_id)
    if last is None or not last.before or last.what in trail.FINAL:
        return None
    if last.door not in (trail.Door.PAGE, trail.Door.ONE_CLICK):
        return None
    return last if now - last.at <= LASTS else None


async def undo(connection: AsyncConnection, subscription_id: int, *, door: trail.Door, now: datetime) -> str | None:
    """Take back the reader's last change and say what it was. Asked twice, the second does nothing."""
    last = await find(connection, subscription_id, now)
    if last is None:
        return None
    cadence = sa.select(models.Subscription.cadence_id).where(models.Subscription.id == subscription_id)
    # Mails of the Cadence that ends now are found by this entry alone.
    before = {"cadence_id": await connection.scalar(cadence)}
    await preferences.put(connection, subscription_id, trail.restored(last.before))
    await _without_what_is_gone(connection, subscription_id, now)
    await trail.record(connection, [trail.Entry(subscription_id, trail.What.UNDONE, door, now, before)])
    return str(last.what)


async def is_done(connection: AsyncConnection, subscription_id: int) -> bool:
    """Whether the last change was taken back already. Whose mail had been given up is woken by the same button."""
    last = await trail.find_newest(connection, subscription_id)
    return last is not None and last.what in (trail.What.UNDONE, trail.What.REACTIVATED)


async def _without_what_is_gone(connection: AsyncConnection, subscription_id: int, now: datetime) -> None:
    """Topics that were taken off since would bring nothing; of none left, everything is. A frequency that went could
    not be moved by the operator, for who had left was not counted.
    """
    found = await standing.find(connection, subscription_id)
    kept = found and _offered(found.spec, found.choice)
    if found and kept and kept != found.choice:
        publication_id = found.subscription.publication_id
        values = {
            "cadence_id": await preferences.cadence_id(connection, publication_id, kept, now),
            "topic_set_id": await preferences.topic_set_id(connection, publication_id, kept.topics),
        }
        await preferences.put(connection, subscription_id, values)


def _offered(spec: publications.Spec, choice: preferences.Choice) -> preferences.Choice:
    """This choice, or the nearest that is on offer: rather too seldom than too often."""
    topics = tuple(slug for slug in choice.topics or () if slug in spec.topic_slugs)
    kept = replace(choice, topics=topics or None)
    if spec.offer(choice.frequency):
        return kept
    nearest = (*preferences.slower(spec, choice.frequency), str(spec.frequencies[0].frequency))[0]
    return preferences.fulfil(spec, preferences.Wish(nearest), kept)
