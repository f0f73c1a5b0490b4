"""What an Edition or a notice says of itself: how often, when, for which days. Reads Editions; leaves nothing."""

import dataclasses
from datetime import date, datetime, time
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import zones
from digest.editions import models as editions, outline


def notice(cadence: Any, first_at: datetime | None, topics: tuple[str, ...] = ()) -> outline.Facts:
    """What a notice says of the reader's choice; `instant` has no day of its first digest."""
    first = first_at.astimezone(zones.get(cadence.timezone)).date() if first_at else date.max
    return dataclasses.replace(_of_cadence(cadence, upto=first), topics=topics)


async def edition(connection: AsyncConnection, row: Any) -> outline.Facts:
    """What the Edition says of itself; it tells what came since the Cadence's Edition before it."""
    earlier = editions.Edition
    before = (
        sa.select(sa.func.max(earlier.planned_at))
        .where(earlier.cadence_id == row.cadence_id, earlier.id < row.id)
        .where(earlier.state.not_in([editions.EditionState.SKIPPED, editions.EditionState.CANCELLED]))
    )
    since = (await connection.execute(before)).scalar()
    zone = zones.get(row.timezone)
    # When it was planned, not when it was due: one that catches up tells of days after its slot.
    facts = _of_cadence(row, upto=row.planned_at.astimezone(zone).date())
    return dataclasses.replace(facts, since=since.astimezone(zone).date() if since else None)


def _of_cadence(row: Any, *, upto: date) -> outline.Facts:
    return outline.Facts(
        frequency=row.frequency,
        upto=upto,
        weekday=row.weekday,
        send_at=time.fromisoformat(row.send_at),
        timezone=row.timezone,
    )
