"""Readers whom a publisher's own system brings: asked by us, or already asked by it.

Leaves what `signup` leaves, and a Consent row where the other system says when and where the reader agreed. Its word
revives nobody who left after that, and never reaches past a Suppression that the reader did not wish for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import links
from digest.audience import models, signup, suppression, trail

State = models.SubscriptionState
# A form on a website may be filled in by anybody, any number of times; the mailbox is somebody's.
ASKED_EVERY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Agreement:
    """When somebody agreed to be mailed, and where: a page, a counter, a contract."""

    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class Joined:
    subscription_id: int
    is_new: bool


async def join(
    connection: AsyncConnection,
    hasher: suppression.Hasher,
    request: signup.Request,
    agreement: Agreement | None,
    *,
    now: datetime,
) -> Joined:
    """The Subscription: active with an agreement, else waiting to be confirmed. Raises SignupError."""
    existing = await signup.find(connection, request)
    if agreement is not None:
        await _refuse_what_was_taken_back(connection, hasher, request.address.key, agreement)
    if existing is not None and await _is_settled(connection, existing, agreement, now):
        return Joined(existing.id, False)
    if existing is None:
        id_, is_new = await signup.bring(connection, hasher, request, door=trail.Door.API, now=now)
    else:
        id_, is_new = await signup.ask(connection, hasher, request, door=trail.Door.API, now=now), False
    if agreement is not None:
        # Once more: an erasure may have ended only now.
        await _refuse_what_was_taken_back(connection, hasher, request.address.key, agreement)
        await _confirm(connection, hasher, id_, agreement, now)
    return Joined(id_, is_new)


async def _is_settled(
    connection: AsyncConnection, existing: sa.Row[Any], agreement: Agreement | None, now: datetime
) -> bool:
    """Whether there is nothing to do. Raises SignupError for an agreement that its reader took back since."""
    if agreement is None:
        is_open = existing.state in (State.PENDING, State.FAILING)
        asked = trail.What.ASKED
        return is_open and await trail.has_been(connection, existing.id, asked, since=now - ASKED_EVERY)
    if existing.left_at is not None and existing.left_at >= agreement.at:
        raise signup.SignupError(f"unsubscribed on {existing.left_at:%Y-%m-%d}, after this consent: not revived")
    return bool(existing.state == State.ACTIVE)


async def _refuse_what_was_taken_back(
    connection: AsyncConnection, hasher: suppression.Hasher, address_key: str, agreement: Agreement
) -> None:
    """Who had everything forgotten took back all they had agreed to until then. Raises SignupError."""
    entry = await suppression.find(connection, hasher, address_key)
    is_erased = entry is not None and entry.reason == models.SuppressionReason.ERASED
    if entry is not None and is_erased and entry.created_at >= agreement.at:
        raise signup.SignupError(f"erased on {entry.created_at:%Y-%m-%d}, after this consent: not revived")


async def _confirm(
    connection: AsyncConnection, hasher: suppression.Hasher, id_: int, agreement: Agreement, now: datetime
) -> None:
    find = sa.select(models.Subscription.generation).where(models.Subscription.id == id_)
    # Of no mail, so whoever asked when takes nothing from it.
    token = links.ConfirmToken(id_, (await connection.execute(find)).scalar_one(), now + ASKED_EVERY)
    # What somebody typed into a form, and nobody confirmed, is no consent; the publisher's is.
    typed = sa.delete(models.Consent).where(
        models.Consent.subscription_id == id_, models.Consent.confirmed_at.is_(None)
    )
    await connection.execute(typed)
    answer = await signup.confirm(connection, hasher, token, door=trail.Door.API, now=now)
    if answer is not signup.Confirming.CONFIRMED:
        return  # brought twice at once, and the other was first
    values = {
        "subscription_id": id_,
        "asked_at": agreement.at,
        "confirmed_at": agreement.at,
        "page": agreement.source,
        "wording": "",
        "origin_hash": "",
    }
    await connection.execute(sa.insert(models.Consent).values(values))
