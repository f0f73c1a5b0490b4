"""The trail of a Subscription: what was changed, when, through which door, and how it stood before.

Leaves Change rows, and what is announced of them; they let a reader take back the last change and let the operator
answer "who did that?".
Holds no address, so erasing a reader is simply deleting the rows.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import announcements, bulk
from digest.audience import models


class Door(enum.StrEnum):
    """Where a wish came in."""

    ONE_CLICK = "one-click"  # the mailbox provider's own button (RFC 8058)
    PAGE = "page"
    CLI = "cli"
    API = "api"
    IMPORT = "import"
    SENDER = "sender"  # nobody's wish: what came of sending


class What(enum.StrEnum):
    ASKED = "asked"
    CONFIRMED = "confirmed"
    LEFT = "left"
    CHANGED = "changed"
    PAUSED = "paused"
    RESUMED = "resumed"
    UNDONE = "undone"
    IMPORTED = "imported"
    FAILING = "failing"
    REACTIVATED = "reactivated"
    REMINDED = "reminded"  # somebody asked for a reader who is one already
    MOVED = "moved"  # to another address
    LINKED = "linked"  # somebody asked for the link to all settings


# What anybody may ask for who holds a forwarded mail or knows an address: it takes nobody's undo away.
IDLE = (What.REMINDED, What.LINKED)
# What they replaced is kept so that mails are found by it, not to be taken back.
FINAL = (What.ASKED, What.UNDONE)


@dataclass(frozen=True, slots=True)
class Entry:
    subscription_id: int
    what: What
    door: Door
    at: datetime
    before: dict[str, Any] = field(default_factory=dict)


_INSTANTS = ("paused_until", "left_at")


_CHANGES = bulk.Insert(models.Change, ("subscription_id", "what", "door", "at", "before"))


async def record(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    if entries:
        await _CHANGES.run(connection, [(e.subscription_id, e.what, e.door, e.at, e.before) for e in entries])
        await _announce(connection, entries)


# What a publisher's programs are told. A list is their own doing, and a million rows of it would tell them nothing.
_EVENTS = {
    What.ASKED: announcements.Event.SUBSCRIBED,
    What.CONFIRMED: announcements.Event.CONFIRMED,
    What.LEFT: announcements.Event.UNSUBSCRIBED,
    What.FAILING: announcements.Event.BOUNCED,
    **dict.fromkeys(
        (What.CHANGED, What.PAUSED, What.RESUMED, What.UNDONE, What.REACTIVATED, What.MOVED),
        announcements.Event.CHANGED,
    ),
}


async def _announce(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    notes = [
        announcements.Note(
            _EVENTS[entry.what],
            entry.at,
            subscription_id=entry.subscription_id,
            facts={"what": entry.what, "door": entry.door},
        )
        for entry in entries
        if entry.what in _EVENTS
    ]
    await announcements.leave(connection, notes, owners=owners([note.subscription_id or 0 for note in notes]))


def owners(subscription_ids: Sequence[int]) -> sa.Select[Any]:
    """(subscription id, publication id) of these."""
    subscription = models.Subscription
    columns: tuple[Any, ...] = (subscription.id, subscription.publication_id)
    return sa.select(*columns).where(subscription.id.in_(subscription_ids))


async def find_newest(connection: AsyncConnection, subscription_id: int) -> sa.Row[Any] | None:
    found = await connection.execute(
        sa.select(models.Change)
        .where(models.Change.subscription_id == subscription_id, models.Change.what.not_in(IDLE))
        .order_by(models.Change.id.desc())
        .limit(1)
    )
    return found.one_or_none()


async def has_been(connection: AsyncConnection, subscription_id: int, what: What, *, since: datetime) -> bool:
    """Whether this has been after that instant."""
    change = models.Change
    found = sa.select(change.id).where(
        change.subscription_id == subscription_id, change.what == what, change.at > since
    )
    return (await connection.execute(found.limit(1))).first() is not None


async def cadences(connection: AsyncConnection, subscription: sa.Row[Any]) -> list[int]:
    """The Cadence of today and those before, by which Editions are found that were for this reader."""
    changes = sa.select(models.Change.before).where(models.Change.subscription_id == subscription.id)
    before = (one.get("cadence_id") for one in await connection.scalars(changes))
    return sorted({subscription.cadence_id, *filter(None, before)})


def snapshot(subscription: sa.Row[Any], *columns: str) -> dict[str, Any]:
    """How these columns stand, in a form JSON can hold."""
    values = {column: getattr(subscription, column) for column in columns}
    return {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()}


def restored(before: dict[str, Any]) -> dict[str, Any]:
    """The column values a snapshot was taken of."""
    return {
        name: datetime.fromisoformat(value) if name in _INSTANTS and value else value for name, value in before.items()
    }
