"""Another address for a person: asked for, then agreed to by both addresses, then done in one transaction.

Owns the AddressChange rows, one a person at most; leaves orders for the mails that ask both, and in the end the
Subscriber's new address. Whoever asks learns nothing about the new address: neither whether it is a reader's, nor
whether it may be mailed. A change never makes one person of two.
"""

import enum
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, database, links
from digest.audience import entrance, failing, models, orders, rates, suppression, trail

# As the mails say; see outbox.telling. Whoever comes later asks anew.
LASTS = timedelta(hours=72)
# Each is a mail to somebody who may never have heard of us.
PER_PERSON = "3/day"
ASKING = ("moving", "address", "taken")


class Asked(enum.StrEnum):
    ASKED = "asked"
    SAME = "same"  # it is the address there is
    TOO_OFTEN = "too often"


class Side(enum.StrEnum):
    """Which of the two addresses somebody speaks for: the column of its yes."""

    OLD = "old_agreed_at"
    NEW = "new_agreed_at"


class Standing(enum.StrEnum):
    OPEN = "open"
    WAITING = "waiting"  # this side has said yes, the other has not yet
    DONE = "done"
    REFUSED = "refused"  # both have, and yet it cannot be: the address is somebody's, or may not be mailed
    GONE = "gone"  # used, withdrawn, replaced, expired


async def ask(
    connection: AsyncConnection,
    hasher: suppression.Hasher,
    subscription: sa.Row[Any],
    address: addresses.EmailAddress,
    *,
    now: datetime,
) -> Asked:
    """Note the wish and order the mails to both. `subscription` is the one whose look they have, of the row `standing`
    reads. Asked again for the same address, nothing more is sent.
    """
    if subscription.address_key == address.key:
        return Asked.SAME
    open_ = await find(connection, subscription.subscriber_id, now)
    if open_ is not None and open_.key == address.key:
        return Asked.ASKED
    if not await rates.is_within(connection, [(PER_PERSON, f"address {subscription.subscriber_id}")], now):
        return Asked.TOO_OFTEN
    await withdraw(connection, subscription.subscriber_id)
    values = {
        "subscriber_id": subscription.subscriber_id,
        "subscription_id": subscription.id,
        "email": address.spelling,
        "key": address.key,
        "asked_at": now,
    }
    await connection.execute(sa.insert(models.AddressChange).values(values))
    due = orders.added(subscription.notice_due, "moving")
    if kind := await _may_be_asked(connection, hasher, address.key, now):
        due = orders.added(due, kind)
    mine = sa.update(models.Subscription).where(models.Subscription.id == subscription.id)
    await connection.execute(mine.values(notice_due=due))
    return Asked.ASKED


async def _may_be_asked(connection: AsyncConnection, hasher: suppression.Hasher, key: str, now: datetime) -> str | None:
    """Which mail the new address gets: the question, or that it cannot be; None where there were too many already.

    Counted with the requests to confirm a sign-up, which are as much of a nuisance.
    """
    if not suppression.may_ask(await suppression.covers(connection, hasher, key)):
        return None
    whose = f"mail {hasher.newest(key)}"
    if not await rates.is_within(connection, [(limit, whose) for limit in entrance.PER_ADDRESS], now):
        return None
    return "taken" if await _is_somebodys(connection, key) else "address"


async def _is_somebodys(connection: AsyncConnection, key: str) -> bool:
    found = sa.select(models.Subscriber.id).where(models.Subscriber.key == key)
    return (await connection.execute(found)).first() is not None


async def find(connection: AsyncConnection, subscriber_id: int, now: datetime) -> sa.Row[Any] | None:
    """The change this person waits for."""
    change = models.AddressChange
    waits = sa.select(change).where(
        change.subscriber_id == subscriber_id, change.done_at.is_(None), change.asked_at > now - LASTS
    )
    return (await connection.execute(waits)).one_or_none()


async def withdraw(connection: AsyncConnection, subscriber_id: int) -> bool:
    """Forget what this person asked for; links that were mailed for it lead nowhere then."""
    mine = sa.delete(models.AddressChange).where(models.AddressChange.subscriber_id == subscriber_id)
    return bool((await connection.execute(mine)).rowcount)


async def get(connection: AsyncConnection, token: links.ChangeToken, now: datetime) -> sa.Row[Any] | None:
    """The change a link speaks of, unless it is over."""
    row = await _row(connection, token, lock=False)
    return row if row is not None and row.asked_at > now - LASTS else None


async def _row(connection: AsyncConnection, token: links.ChangeToken, *, lock: bool) -> sa.Row[Any] | None:
    statement = sa.select(models.AddressChange).where(models.AddressChange.id == token.change_id)
    return (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()


def judge(row: sa.Row[Any] | None, side: Side) -> Standing:
    """How a change stands, for whoever speaks for this side."""
    if row is None:
        return Standing.GONE
    if row.done_at is not None:
        return Standing.DONE
    if row.old_agreed_at is not None and row.new_agreed_at is not None:
        return Standing.REFUSED
    return Standing.OPEN if getattr(row, side) is None else Standing.WAITING


async def agree(
    connection: AsyncConnection, hasher: suppression.Hasher, token: links.ChangeToken, side: Side, *, now: datetime
) -> None:
    """One side says yes; the second yes does it. Said twice it is the same as once; `judge` says how it stands then."""
    if (asked := await _row(connection, token, lock=False)) is None:
        return
    # Two yeses at the same moment wait for each other here, so one of them is the second. First the Subscriptions, as
    # on the page of all settings and when somebody is erased.
    ids = await _lock(connection, asked.subscriber_id)
    row = await _row(connection, token, lock=True)
    if row is None or row.asked_at <= now - LASTS or judge(row, side) is not Standing.OPEN:
        return
    change = sa.update(models.AddressChange).where(models.AddressChange.id == row.id)
    await connection.execute(change.values({side.value: now}))
    other = Side.NEW if side is Side.OLD else Side.OLD
    if getattr(row, other) is not None and await _move(connection, hasher, row, ids, now):
        await connection.execute(change.values(done_at=now))


async def _lock(connection: AsyncConnection, subscriber_id: int) -> list[int]:
    theirs = sa.select(models.Subscription.id).where(models.Subscription.subscriber_id == subscriber_id)
    locked = theirs.order_by(models.Subscription.id).with_for_update()
    return list((await connection.execute(locked)).scalars())


async def _move(
    connection: AsyncConnection, hasher: suppression.Hasher, row: sa.Row[Any], ids: list[int], now: datetime
) -> bool:
    """Whether it could be. The generation stays: links in old mails still end what they belong to."""
    if not suppression.may_ask(await suppression.covers(connection, hasher, row.key)):
        return False
    subscriber = sa.update(models.Subscriber).where(models.Subscriber.id == row.subscriber_id)
    try:
        async with connection.begin_nested():
            await connection.execute(subscriber.values(email=row.email, key=row.key))
    except sqlalchemy.exc.IntegrityError:
        # The address is another reader's, perhaps since a moment ago: the unique key knows best.
        return False
    await suppression.lift(connection, hasher, row.key)
    door = trail.Door.PAGE
    await failing.reactivate(connection, ids, door=door, now=now)
    await trail.record(connection, [trail.Entry(id_, trail.What.MOVED, door, now) for id_ in ids])
    return True


async def has_moved(connection: AsyncConnection, subscription_id: int, since: datetime) -> bool:
    """Whether the address is another one since then: links mailed to the old one open no settings any more."""
    change = models.Change
    moved = sa.select(change.id).where(
        change.subscription_id == subscription_id, change.what == trail.What.MOVED, change.at >= since
    )
    return (await connection.execute(moved.limit(1))).first() is not None


async def prune(db: database.Database, now: datetime) -> int:
    """Forget the changes that are over, and the addresses in them."""
    over = sa.delete(models.AddressChange).where(models.AddressChange.asked_at <= now - LASTS)
    async with db.transaction() as connection:
        return (await connection.execute(over)).rowcount
