"""Everything we hold about one person, as the JSON they may take with them (GDPR, articles 15 and 20). Reads only.

Written piece by piece, each read in a transaction of its own: a reader of many years has thousands of mails, and a slow
line must hold no transaction open. Whatever is kept of readers in a new table belongs in here, and in `audience.erase`.
"""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications
from digest.audience import models as audience, standing, trail
from digest.editions import models as editions
from digest.outbox import facts, models

PAGE = 500


async def document(db: database.Database, subscriber_id: int) -> AsyncIterator[str]:
    """The document, some hundred mails at a time."""
    async with db.reading() as connection:
        found = await standing.find_all(connection, subscriber_id)
        person = await _person(connection, subscriber_id, found)
    yield _json(person)[:-2] + ',\n "mails": ['
    between = "\n"
    for one in found:
        async for mails in _mails(db, one):
            yield between + ",\n".join(map(_json, mails))
            between = ",\n"
    yield "\n]\n}\n"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, datetime | date):
        return value.isoformat()
    raise TypeError(f"{type(value)} has no place in here")


async def _person(
    connection: AsyncConnection, subscriber_id: int, found: Sequence[standing.Standing]
) -> dict[str, Any]:
    subscriber = audience.Subscriber
    row = (await connection.execute(sa.select(subscriber).where(subscriber.id == subscriber_id))).one()
    change = audience.AddressChange
    moving = (await connection.execute(sa.select(change).where(change.subscriber_id == subscriber_id))).one_or_none()
    return {
        "address": row.email,
        "name": row.name,
        "known_since": row.created_at,
        "change_of_address": moving and _columns(moving, "email", "asked_at", "old_agreed_at", "new_agreed_at"),
        "subscriptions": [await _subscription(connection, one) for one in found],
    }


async def _subscription(connection: AsyncConnection, one: standing.Standing) -> dict[str, Any]:
    row, choice = one.subscription, one.choice
    is_timed = choice.frequency != "instant"
    return {
        "publication": one.spec.name,
        "state": str(row.state),
        "frequency": choice.frequency,
        "weekday": publications.WEEKDAYS[choice.weekday],
        "send_at": choice.send_at if is_timed else None,
        "timezone": choice.timezone if is_timed else None,
        "topics": list(choice.topics) if choice.topics is not None else "all",
        **_columns(row, "locale", "layout", "paused_until", "created_at", "confirmed_at", "left_at"),
        "read_up_to": row.covered_to,
        "consents": await _consents(connection, row.id),
        "changes": [_without_orders(one) for one in await _rows(connection, audience.Change, row.id, *CHANGE)],
    }


CHANGE = ("at", "what", "door", "before", "reason")


def _without_orders(change: dict[str, Any]) -> dict[str, Any]:
    """Mails that were about to leave: one to another address may be among them, and says whose it is."""
    return change | {"before": {name: value for name, value in change["before"].items() if name != "notice_due"}}


async def _consents(connection: AsyncConnection, subscription_id: int) -> list[dict[str, Any]]:
    """With the very words that were agreed to, where we keep them."""
    consents = await _rows(connection, audience.Consent, subscription_id, *CONSENT)
    keys = {one["wording"] for one in consents}
    kept = await connection.execute(sa.select(audience.Wording).where(audience.Wording.key.in_(keys)))
    words = {row.key: row.text for row in kept}
    return [{**one, "wording": words.get(one["wording"], "")} for one in consents]


CONSENT = ("asked_at", "confirmed_at", "page", "wording", "origin_hash")


async def _rows(connection: AsyncConnection, model: Any, subscription_id: int, *columns: str) -> list[dict[str, Any]]:
    rows = await connection.execute(sa.select(model).where(model.subscription_id == subscription_id).order_by(model.id))
    return [_columns(row, *columns) for row in rows]


def _columns(row: Any, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}


async def _mails(db: database.Database, one: standing.Standing) -> AsyncIterator[list[dict[str, Any]]]:
    """The newest first: digests, then notices."""
    async with db.reading() as connection:
        cadences = await trail.cadences(connection, one.subscription)
    for statement in (_digests(one.subscription.id, cadences), _notices(one.subscription.id)):
        before = 2**62  # beyond any id
        while True:
            async with db.reading() as connection:
                page = (await connection.execute(statement, {"before": before})).all()
            if page:
                yield [{"publication": one.spec.name, **_columns(row, *MAIL)} for row in page]
            if len(page) < PAGE:
                break
            before = page[-1].mark


def _digests(subscription_id: int, cadences: Sequence[int]) -> Any:
    """Found by Edition and Subscription: a list of millions has no index by reader alone."""
    edition, delivery = editions.Edition, models.Delivery
    return (
        sa.select(delivery, edition.slot.label("edition"), edition.id.label("mark"))
        .join(edition, edition.id == delivery.edition_id)
        .where(edition.cadence_id.in_(cadences), delivery.subscription_id == subscription_id)
        .where(edition.id < sa.bindparam("before"))
        .order_by(edition.id.desc())
        .limit(PAGE)
    )


def _notices(subscription_id: int) -> Any:
    delivery = models.Delivery
    # What went to another address in this reader's name says whose that address is, and is not theirs to know.
    is_theirs = delivery.kind.not_in(facts.ELSEWHERE)
    mine = sa.and_(delivery.edition_id.is_(None), delivery.subscription_id == subscription_id, is_theirs)
    found = sa.select(delivery, sa.null().label("edition"), delivery.id.label("mark"))
    return found.where(mine, delivery.id < sa.bindparam("before")).order_by(delivery.id.desc()).limit(PAGE)


MAIL = ("kind", "edition", "state", "created_at", "handed_over_at", "finished_at", "code", "reason")
