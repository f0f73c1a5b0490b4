"""The entrance: sign-ups from forms, left as rows by a door and looked at by a pass.

A door can neither know nor tell whether an address is a reader's: it does the same for each, and so takes the same
time. The pass counts what goes to an address, so that nobody's mailbox is flooded through our forms, and then asks
(`signup`). Owns the SignUp rows; leaves what `signup.ask` leaves.
"""

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, database
from digest.audience import models, preferences, rates, signup, suppression, trail

# Requests to confirm one address may get: a stranger can type it into any form. The days come first, for what they
# refuse must not use up the months.
PER_READER = ("1/day", "3/30 days")
PER_ADDRESS = ("3/day", "10/30 days")
WITHOUT_LIMIT = "1000000000/second"
AT_ONCE = 50
# How long one that failed waits for its next turn.
PUT_OFF = timedelta(minutes=5)

Trap = Callable[[Awaitable[None]], Awaitable[None]]


@dataclasses.dataclass(frozen=True, slots=True)
class Rules:
    """How often a door lets somebody in, written like "20/hour"; empty is without limit."""

    total: str = "5000/hour"
    per_domain: str = "500/hour"
    per_network: str = "100/hour"
    per_origin: str = "20/hour"


@dataclasses.dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from, as keyed hashes: one address, and the network around it."""

    address: str
    network: str


@dataclasses.dataclass(frozen=True, slots=True)
class Form:
    """A form that was filled in. `wording` are the words that stood beside the button."""

    request: signup.Request
    origin: Origin
    page: str
    wording: str = ""


async def enter(
    connection: AsyncConnection, hasher: suppression.Hasher, form: Form, rules: Rules, now: datetime
) -> bool:
    """Leave a row for the pass; false when too many came from there, or for there, and nothing is left."""
    address = form.request.address
    counts = (
        # Counted in any case: whoever holds this row first has the others to themselves, on all nodes.
        (rules.total or WITHOUT_LIMIT, "sign-up"),
        (rules.per_domain, f"sign-up {hasher.newest(address.domain)}"),
        (rules.per_network, f"sign-up {form.origin.network}"),
        (rules.per_origin, f"sign-up {form.origin.address}"),
    )
    if not await rates.is_within(connection, counts, now):
        return False
    values = {
        "publication_id": form.request.publication_id,
        "email": address.spelling,
        "key": address.key,
        "choice": dataclasses.asdict(form.request.choice),
        "locale": form.request.locale,
        "page": form.page,
        "wording": await signup.keep_wording(connection, form.wording, now),
        "origin_hash": form.origin.address,
        "asked_at": now,
        "due_at": now,
    }
    await connection.execute(sa.insert(models.SignUp).values(values))
    return True


async def run(db: database.Database, hasher: suppression.Hasher, now: datetime, *, trap: Trap) -> int:
    """Look at every sign-up that waits; how many that were. `trap` keeps one that breaks from stopping the others."""
    total = 0
    while ids := await _take(db, now):
        for id_ in ids:
            await trap(_let_in(db, hasher, id_, now))
        total += len(ids)
    return total


async def _take(db: database.Database, now: datetime) -> Sequence[int]:
    """The next ones, put off: should a look at one fail, or this process die, another takes place then."""
    sign_up = models.SignUp
    due = sa.select(sign_up.id).where(sign_up.due_at <= now).order_by(sign_up.due_at, sign_up.id).limit(AT_ONCE)
    async with db.reading() as connection:
        # A look takes no write lock, and there is seldom anything.
        if (await connection.execute(due.limit(1))).first() is None:
            return ()
    async with db.transaction() as connection:
        ids = (await connection.execute(due.with_for_update(skip_locked=True))).scalars().all()
        put_off = sa.update(sign_up).where(sign_up.id.in_(ids)).values(due_at=now + PUT_OFF)
        await connection.execute(put_off)
    return ids


async def _let_in(db: database.Database, hasher: suppression.Hasher, id_: int, now: datetime) -> None:
    """One transaction for each: they are some a minute, and rows of two addresses are never locked at once."""
    async with db.transaction() as connection:
        gone = sa.delete(models.SignUp).where(models.SignUp.id == id_).returning(models.SignUp)
        row = (await connection.execute(gone)).one_or_none()
        if row is None or not await _may_be_asked(connection, hasher, row, now):
            return
        await signup.ask(connection, hasher, _request(row), door=trail.Door.PAGE, now=now)


async def _may_be_asked(connection: AsyncConnection, hasher: suppression.Hasher, row: Any, now: datetime) -> bool:
    if not suppression.may_ask(await suppression.covers(connection, hasher, row.key)):
        return False
    whose = hasher.newest(row.key)
    here = f"mail {row.publication_id} {whose}"
    (day, month), (all_day, all_month) = PER_READER, PER_ADDRESS
    counts = ((day, here), (all_day, f"mail {whose}"), (month, here), (all_month, f"mail {whose}"))
    return await rates.is_within(connection, counts, now)


def _request(row: Any) -> signup.Request:
    choice = preferences.Choice(**row.choice)
    topics = None if choice.topics is None else tuple(choice.topics)
    return signup.Request(
        row.publication_id,
        addresses.recall(row.email, row.key),
        dataclasses.replace(choice, topics=topics),
        locale=row.locale,
        asked=signup.Asked(row.asked_at, row.page, row.wording, row.origin_hash),
    )


async def erase(connection: AsyncConnection, address_key: str) -> None:
    """Forget what waits for this address."""
    await connection.execute(sa.delete(models.SignUp).where(models.SignUp.key == address_key))
