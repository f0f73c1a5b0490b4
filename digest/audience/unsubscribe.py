"""Leaving. Idempotent, works for ever, and takes effect at once on all that is not handed over.

Leaves the Subscription `unsubscribed`, a Change row, and perhaps an order for a goodbye. Cancels nothing elsewhere:
whoever hands over a mail asks the Subscription again.
"""

import enum
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import links, prepared, publications
from digest.audience import models, trail, undoing


class Leaving(enum.StrEnum):
    """What came of a wish to leave."""

    LEFT = "left"
    ALREADY = "already"
    OLD_LINK = "old link"  # made before this reader left and came back: says nothing about today's wish
    UNKNOWN = "unknown"  # no such Subscription (any more)


class Reason(enum.StrEnum):
    """Why, for who cares to say: words of ours alone, for a free text would hold what nobody wants to keep."""

    TOO_MUCH = "too-much"
    NOT_FOR_ME = "not-for-me"
    ELSEWHERE = "elsewhere"
    NEVER_ASKED = "never-asked"
    OTHER = "other"


async def leave(
    connection: AsyncConnection,
    token: links.MailToken,
    *,
    door: trail.Door,
    now: datetime,
    any_generation: bool = False,
) -> Leaving:
    """End the Subscription a link speaks of. `any_generation` when the reader saw the truth about an old link."""
    subscription = (await connection.execute(_LOCKED, {"p_id": token.subscription_id})).one_or_none()
    answer = judge(subscription, token, any_generation=any_generation)
    if answer is not Leaving.LEFT or subscription is None:
        return answer
    before = trail.snapshot(subscription, "state", "left_at", "notice_due")
    notice = "goodbye" if _says_goodbye(subscription) else None
    await connection.execute(_END, {"p_id": token.subscription_id, "p_now": now, "p_notice": notice})
    await trail.record(connection, [trail.Entry(token.subscription_id, trail.What.LEFT, door, now, before)])
    return Leaving.LEFT


async def explain(connection: AsyncConnection, subscription_id: int, reason: Reason, *, now: datetime) -> bool:
    """Note why a reader left, for as long as they could take it back. Said again, the last word counts."""
    last = await undoing.find(connection, subscription_id, now)
    if last is None or last.what != trail.What.LEFT:
        return False
    entry = sa.update(models.Change).where(models.Change.id == last.id)
    await connection.execute(entry.values(reason=reason.value))
    return True


async def reasons(connection: AsyncConnection, publication_id: int, since: datetime) -> dict[str, int]:
    """How many readers left a Publication since then, by what they said of it; "" for those who said nothing."""
    change, subscription = models.Change, models.Subscription
    why = sa.func.coalesce(change.reason, "").label("why")
    left = (
        sa.select(why, sa.func.count().label("readers"))
        .join(subscription, subscription.id == change.subscription_id)
        .where(subscription.publication_id == publication_id, change.what == trail.What.LEFT, change.at >= since)
        .group_by(why)
    )
    found = {row.why: row.readers for row in await connection.execute(left)}
    return dict(sorted(found.items(), key=lambda one: -one[1]))


async def find_answer(connection: AsyncConnection, token: links.MailToken) -> Leaving:
    """What `leave` would answer. A mere look, so that repeats and strays never wait for the write lock."""
    rows = await _LOOK.run(connection, {"p_id": token.subscription_id})
    return judge(_Found(*rows[0]) if rows else None, token)


class _Found(NamedTuple):
    state: str
    generation: int


def judge(
    subscription: sa.Row[Any] | _Found | None, token: links.MailToken, *, any_generation: bool = False
) -> Leaving:
    if subscription is None:
        return Leaving.UNKNOWN
    if subscription.state == models.SubscriptionState.UNSUBSCRIBED:
        return Leaving.ALREADY
    if subscription.generation != token.generation and not any_generation:
        return Leaving.OLD_LINK
    return Leaving.LEFT


def _says_goodbye(subscription: sa.Row[Any]) -> bool:
    # Who never confirmed gets nothing but the request to: no goodbye either.
    return bool(subscription.goodbye) and subscription.state != models.SubscriptionState.PENDING


# Made once: thousands may leave within a minute of an Edition, and to build a statement costs more than to run it.
_SUBSCRIPTION = models.Subscription
_IS_IT = _SUBSCRIPTION.id == sa.bindparam("p_id")
_LOOK = prepared.Statement(sa.select(_SUBSCRIPTION.state, _SUBSCRIPTION.generation).where(_IS_IT))
_LOCKED = (
    sa.select(
        _SUBSCRIPTION.state,
        _SUBSCRIPTION.generation,
        _SUBSCRIPTION.left_at,
        _SUBSCRIPTION.notice_due,
        publications.Publication.spec["goodbye"].as_boolean().label("goodbye"),
    )
    .join(publications.Publication, publications.Publication.id == _SUBSCRIPTION.publication_id)
    .where(_IS_IT)
    .with_for_update(of=_SUBSCRIPTION)
)
_END = (
    sa.update(_SUBSCRIPTION)
    .where(_IS_IT)
    .values(
        state=models.SubscriptionState.UNSUBSCRIBED,
        left_at=sa.bindparam("p_now"),
        notice_due=sa.bindparam("p_notice"),
    )
)
