"""Leaving. Idempotent, works for ever, and takes effect at once on all that is not handed over.

Leaves the Subscription `unsubscribed`, a Change row, and perhaps an order for a goodbye. Cancels nothing elsewhere:
whoever hands over a mail asks the Subscription again.
"""

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import links, publications
from digest.audience import models, trail


class Leaving(enum.StrEnum):
    """What came of a wish to leave."""

    LEFT = "left"
    ALREADY = "already"
    OLD_LINK = "old link"  # made before this reader left and came back: says nothing about today's wish
    UNKNOWN = "unknown"  # no such Subscription (any more)


async def leave(
    connection: AsyncConnection,
    token: links.MailToken,
    *,
    door: trail.Door,
    now: datetime,
    any_generation: bool = False,
) -> Leaving:
    """End the Subscription a link speaks of. `any_generation` when the reader saw the truth about an old link."""
    subscription = (await connection.execute(_query(token).with_for_update(of=models.Subscription))).one_or_none()
    answer = judge(subscription, token, any_generation=any_generation)
    if answer is not Leaving.LEFT or subscription is None:
        return answer
    before = trail.snapshot(subscription, "state", "left_at", "notice_due")
    await connection.execute(
        sa.update(models.Subscription)
        .where(models.Subscription.id == subscription.id)
        .values(
            state=models.SubscriptionState.UNSUBSCRIBED,
            left_at=now,
            notice_due="goodbye" if _says_goodbye(subscription) else None,
        )
    )
    await trail.record(connection, [trail.Entry(subscription.id, trail.What.LEFT, door, now, before)])
    return Leaving.LEFT


async def find_answer(connection: AsyncConnection, token: links.MailToken) -> Leaving:
    """What `leave` would answer. A mere look, so that repeats and strays never wait for the write lock."""
    return judge((await connection.execute(_query(token))).one_or_none(), token)


def judge(subscription: sa.Row[Any] | None, token: links.MailToken, *, any_generation: bool = False) -> Leaving:
    if subscription is None:
        return Leaving.UNKNOWN
    if subscription.state == models.SubscriptionState.UNSUBSCRIBED:
        return Leaving.ALREADY
    if subscription.generation != token.generation and not any_generation:
        return Leaving.OLD_LINK
    return Leaving.LEFT


def _query(token: links.MailToken) -> sa.Select[Any]:
    return (
        sa.select(models.Subscription, publications.Publication.spec)
        .join(publications.Publication, publications.Publication.id == models.Subscription.publication_id)
        .where(models.Subscription.id == token.subscription_id)
    )


def _says_goodbye(subscription: sa.Row[Any]) -> bool:
    # Who never confirmed gets nothing but the request to: no goodbye either.
    was_pending = subscription.state == models.SubscriptionState.PENDING
    return bool(subscription.spec.get("goodbye", False)) and not was_pending
