"""Orders for mails that answer what somebody did, as they stand in a Subscription's `notice_due`, and how often the
link to all settings may be ordered.

`notice_due` holds the kinds of mail that are due, one after the other with spaces between: a link that was asked for
does not make the mail about a change be forgotten.
"""

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.audience import models, trail

# Whoever holds a forwarded mail may ask for the link, and it comes to the reader: often enough for one who deleted it
# by mistake, too seldom to pester anybody.
LINK_PAUSE = timedelta(hours=1)
LINKS_A_DAY = 3
# What says nothing of how a reader stands, so that another mail may have to.
ALONGSIDE = frozenset({"manage", "moving", "address", "taken"})


def added(due: str | None, kind: str) -> str:
    """What is due with this besides."""
    kinds = due.split() if due else []
    return " ".join(dict.fromkeys((*kinds, kind)))


async def link(connection: AsyncConnection, subscription: sa.Row[Any], *, door: trail.Door, now: datetime) -> bool:
    """Order the link to all settings; false when one was ordered a moment ago, or too many today.

    `subscription` is locked. Two Subscriptions of one person are counted together.
    """
    lately = await _asked(connection, subscription.subscriber_id, now - timedelta(days=1))
    if len(lately) >= LINKS_A_DAY or any(at > now - LINK_PAUSE for at in lately):
        return False
    mine = sa.update(models.Subscription).where(models.Subscription.id == subscription.id)
    await connection.execute(mine.values(notice_due=added(subscription.notice_due, "manage")))
    await trail.record(connection, [trail.Entry(subscription.id, trail.What.LINKED, door, now)])
    return True


async def _asked(connection: AsyncConnection, subscriber_id: int, since: datetime) -> list[datetime]:
    change = models.Change
    theirs = sa.select(models.Subscription.id).where(models.Subscription.subscriber_id == subscriber_id)
    asked = sa.select(change.at).where(
        change.subscription_id.in_(theirs), change.what == trail.What.LINKED, change.at > since
    )
    return list((await connection.execute(asked)).scalars())
