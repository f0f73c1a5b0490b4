"""The trail of a Subscription: what was changed, when, through which door, and how it stood before.

Leaves Change rows; they let a reader take back the last change and let the operator answer "who did that?".
Holds no address, so erasing a reader is simply deleting the rows.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

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


@dataclass(frozen=True, slots=True)
class Entry:
    subscription_id: int
    what: What
    door: Door
    at: datetime
    before: dict[str, Any] = field(default_factory=dict)


_INSTANTS = ("paused_until", "left_at")


async def record(connection: AsyncConnection, entries: Sequence[Entry]) -> None:
    rows = [
        {"subscription_id": e.subscription_id, "what": e.what, "door": e.door, "at": e.at, "before": e.before}
        for e in entries
    ]
    if rows:
        await connection.execute(sa.insert(models.Change), rows)


async def find_newest(connection: AsyncConnection, subscription_id: int) -> sa.Row[Any] | None:
    found = await connection.execute(
        sa.select(models.Change)
        .where(models.Change.subscription_id == subscription_id, models.Change.what.not_in(IDLE))
        .order_by(models.Change.id.desc())
        .limit(1)
    )
    return found.one_or_none()


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
