"""Coming: ask for a Subscription, then confirm it.

Leaves a `pending` Subscription with `notice_due` "confirm", which is the order to send the request; confirming makes
it `active` and sets where its story begins. A stranger who types an address in changes nothing a reader has.
"""

import enum
import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, errors, links, sql
from digest.audience import models, people, preferences, standing, start, suppression, trail

State = models.SubscriptionState
REMINDER_PAUSE = timedelta(days=1)
# Who asks and who writes the mail may be two machines. Nobody is asked twice within an hour, but by two doors.
CLOCKS_DIFFER = timedelta(hours=1)


class SignupError(errors.DigestError):
    """This address cannot be signed up."""


@dataclass(frozen=True, slots=True)
class Asked:
    """When and where somebody asked, the key of the words they saw, and a hash of where they sat."""

    at: datetime
    page: str
    wording: str = ""
    origin_hash: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody typed in; `choice` is already checked against the Publication."""

    publication_id: int
    address: addresses.EmailAddress
    choice: preferences.Choice
    name: str = ""
    locale: str | None = None
    asked: Asked | None = None


class Confirming(enum.StrEnum):
    CONFIRMED = "confirmed"
    ALREADY = "already"
    STALE = "stale"  # the Subscription is gone, has left, or was asked for anew since


class Brought(NamedTuple):
    id: int
    is_new: bool


async def ask(
    connection: AsyncConnection, hasher: suppression.Hasher, request: Request, *, door: trail.Door, now: datetime
) -> int:
    """The Subscription that now waits to be confirmed, or the one that already runs.

    Raises SignupError when we may not write to this address.
    """
    existing = await find(connection, request)
    if existing is None:
        return (await bring(connection, hasher, request, door=door, now=now)).id
    await _refuse_the_suppressed(connection, hasher, request)
    values = await _values(connection, request, now)
    if await _ask_again(connection, existing, values, door=door, now=now):
        # The Cadence that ends with this: mails from before are found by it.
        is_kept = values["cadence_id"] == existing.cadence_id
        before = {} if is_kept else trail.snapshot(existing, "cadence_id")
        await _note(connection, existing.id, request, door, now, before)
    return int(existing.id)


async def bring(
    connection: AsyncConnection, hasher: suppression.Hasher, request: Request, *, door: trail.Door, now: datetime
) -> Brought:
    """Ask somebody who is new here; whoever is there already stays as they are. Raises SignupError as `ask`.

    Of two who bring one reader at the same moment both have found nobody, and only the unique key can tell who was
    first. The other changes nothing, or a reader who has confirmed meanwhile would be told of as one who has not.
    """
    address = request.address
    ids = await people.bring(connection, [(address.key, address.spelling, request.name)], now=now)
    # Only now: whoever was being erased is so by now.
    await _refuse_the_suppressed(connection, hasher, request)
    subscriber_id = ids[address.key]
    values = await _values(connection, request, now) | {"created_at": now}
    brought = await _add(connection, subscriber_id, request, values)
    if brought.is_new:
        await _note(connection, brought.id, request, door, now)
    return brought


async def _refuse_the_suppressed(connection: AsyncConnection, hasher: suppression.Hasher, request: Request) -> None:
    reason = await suppression.covers(connection, hasher, request.address.key)
    if not suppression.may_ask(reason):
        raise SignupError(f"we may not write to this address: {reason}")


async def _note(
    connection: AsyncConnection,
    id_: int,
    request: Request,
    door: trail.Door,
    now: datetime,
    before: dict[str, Any] | None = None,
) -> None:
    await trail.record(connection, [trail.Entry(id_, trail.What.ASKED, door, now, before or {})])
    if request.asked:
        await _keep_consent(connection, id_, request.asked)


async def _keep_consent(connection: AsyncConnection, subscription_id: int, asked: Asked) -> None:
    """Only the newest wish can be confirmed, so what was asked before and never confirmed is nobody's consent."""
    consent = models.Consent
    older = sa.delete(consent).where(consent.subscription_id == subscription_id, consent.confirmed_at.is_(None))
    await connection.execute(older)
    values = {"subscription_id": subscription_id, "asked_at": asked.at, "page": asked.page}
    new = sa.insert(consent).values(**values, wording=asked.wording, origin_hash=asked.origin_hash)
    await connection.execute(new)


async def keep_wording(connection: AsyncConnection, text: str, now: datetime) -> str:
    """Keep the words a form shows, and give their key; "" for none."""
    if not text:
        return ""
    key = wording_key(text)
    new = sql.insert(connection, models.Wording).values(key=key, text=text, first_at=now)
    await connection.execute(new.on_conflict_do_nothing())
    return key


def wording_key(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


async def _values(connection: AsyncConnection, request: Request, now: datetime) -> dict[str, Any]:
    publication_id, choice = request.publication_id, request.choice
    return {
        "cadence_id": await preferences.cadence_id(connection, publication_id, choice, now),
        "topic_set_id": await preferences.topic_set_id(connection, publication_id, choice.topics),
        "locale": request.locale,
        "state": State.PENDING,
        "notice_due": "confirm",
    }


async def find(connection: AsyncConnection, request: Request) -> sa.Row[Any] | None:
    """The Subscription this is about, locked."""
    subscription, subscriber = models.Subscription, models.Subscriber
    statement = (
        sa.select(subscription)
        .join(subscriber, subscriber.id == subscription.subscriber_id)
        .where(subscriber.key == request.address.key, subscription.publication_id == request.publication_id)
        .with_for_update(of=subscription)
    )
    return (await connection.execute(statement)).one_or_none()


async def _add(connection: AsyncConnection, subscriber_id: int, request: Request, values: dict[str, Any]) -> Brought:
    key = {"subscriber_id": subscriber_id, "publication_id": request.publication_id}
    new = sql.insert(connection, models.Subscription).values(**key, **values)
    once = new.on_conflict_do_nothing(index_elements=list(key)).returning(models.Subscription.id)
    added: int | None = await connection.scalar(once)
    if added is not None:
        return Brought(added, True)
    there = sa.select(models.Subscription.id).filter_by(**key)
    return Brought(int((await connection.execute(there)).scalar_one()), False)


async def _ask_again(
    connection: AsyncConnection, existing: sa.Row[Any], values: dict[str, Any], *, door: trail.Door, now: datetime
) -> bool:
    if existing.state == State.ACTIVE:
        await _remind(connection, existing, door=door, now=now)
        return False
    if existing.state == State.UNSUBSCRIBED:
        # Coming back. Links in mails from before must not end what begins now.
        values = values | {"generation": existing.generation + 1}
    if existing.state == State.FAILING:
        # Still a reader: nothing of theirs changes unless they confirm.
        values = {"notice_due": "confirm"}
    await connection.execute(
        sa.update(models.Subscription).where(models.Subscription.id == existing.id).values(**values)
    )
    return True


async def _remind(connection: AsyncConnection, existing: sa.Row[Any], *, door: trail.Door, now: datetime) -> None:
    """Who asks again has forgotten, or is somebody else: the reader is told, once a day at most; nothing changes."""
    if existing.notice_due is not None:
        return
    if await trail.has_been(connection, existing.id, trail.What.REMINDED, since=now - REMINDER_PAUSE):
        return
    due = sa.update(models.Subscription).where(models.Subscription.id == existing.id).values(notice_due="already")
    await connection.execute(due)
    await trail.record(connection, [trail.Entry(existing.id, trail.What.REMINDED, door, now)])


async def confirm(
    connection: AsyncConnection,
    hasher: suppression.Hasher,
    token: links.ConfirmToken,
    *,
    now: datetime,
    door: trail.Door = trail.Door.PAGE,
) -> Confirming:
    """Make the Subscription active. Its story begins anew, but never before where it once ended."""
    found = await standing.find(connection, token.subscription_id, lock=True)
    answer = await judge(connection, found, token)
    if answer is not Confirming.CONFIRMED or found is None:
        return answer
    await connection.execute(
        sa.update(models.Subscription)
        .where(models.Subscription.id == token.subscription_id)
        .values(await _confirmed(connection, found, now))
    )
    consent = models.Consent
    agreed = sa.update(consent).where(consent.subscription_id == token.subscription_id, consent.confirmed_at.is_(None))
    await connection.execute(agreed.values(confirmed_at=now))
    await suppression.lift(connection, hasher, found.address_key)
    entry = trail.Entry(token.subscription_id, trail.What.CONFIRMED, door, now)
    await trail.record(connection, [entry])
    return answer


async def judge(connection: AsyncConnection, found: standing.Standing | None, token: links.ConfirmToken) -> Confirming:
    """What `confirm` would answer."""
    if found is None or found.subscription.generation != token.generation or found.state is State.UNSUBSCRIBED:
        return Confirming.STALE
    if found.state is State.ACTIVE:
        return Confirming.ALREADY
    # Somebody has asked since the mail was written, perhaps somebody else: only the newest wish can be confirmed.
    since = token.asked_at + CLOCKS_DIFFER
    is_old = await trail.has_been(connection, token.subscription_id, trail.What.ASKED, since=since)
    return Confirming.STALE if is_old else Confirming.CONFIRMED


async def _confirmed(connection: AsyncConnection, found: standing.Standing, now: datetime) -> dict[str, Any]:
    row, spec = found.subscription, found.spec
    values = {
        "state": State.ACTIVE,
        "confirmed_at": now,
        "left_at": None,
        "paused_until": None,
        "misses": 0,
        "missing_since": None,
        "notice_due": "welcome" if spec.welcome else None,
    }
    if found.state is State.FAILING:
        # Never left, so nothing that waits is lost.
        return values
    topics = None if found.choice.topics is None else frozenset(found.choice.topics)
    first = await start.covered_to(connection, row.publication_id, topics, spec.first_articles)
    return values | {"covered_to": sql.greatest(models.Subscription.covered_to, first)}
