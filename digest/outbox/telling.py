"""What an Edition or a notice says of itself: how often, when, for which days, about what.

Reads Editions, Cadences and the trail; leaves nothing.
"""

import dataclasses
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications, zones
from digest.audience import address_changes, models as audience, trail
from digest.editions import cadence as cadences, models as editions, outline, plan


async def notice(
    connection: AsyncConnection, row: Any, spec: publications.Spec, held: frozenset[str] | None, now: datetime
) -> outline.Facts:
    """What a notice says of the choice of its reader, who holds these Topics; `row` as in facts.Look."""
    find = sa.select(audience.Cadence).where(audience.Cadence.id == row.reader_cadence_id)
    cadence = (await connection.execute(find)).one()
    pause = row.reader_paused_until if row.reader_paused_until and row.reader_paused_until > now else None
    due, zone = first_at(cadence, spec, pause, now), zones.get(cadence.timezone)
    return dataclasses.replace(
        # As it happens, there is no day of the first digest.
        _of_cadence(cadence, upto=due.astimezone(zone).date() if due else date.max),
        topics=tuple(topic.name for topic in spec.topics if held is not None and topic.slug in held),
        paused=pause.astimezone(zone).date() if pause else None,
        changed=await _changed(connection, row) if row.kind == "changed" else (),
        until=await _until(connection, row, cadence, spec) if row.address_change_id is not None else None,
    )


def first_at(cadence: Any, spec: publications.Spec, pause: datetime | None, now: datetime) -> datetime | None:
    """When the next digest is due, one of that very instant included where a pause ends."""
    if pause is None and cadence.next_due_at is not None:
        return cadence.next_due_at  # type: ignore[no-any-return]
    # One that was chosen a moment ago has not been scheduled yet.
    after = pause - timedelta(seconds=1) if pause else now
    return cadences.next_due(plan.rule_of(cadence, spec), after)


async def _changed(connection: AsyncConnection, row: Any) -> tuple[str, ...]:
    """What the reader's last change was about, where the trail says so."""
    last = await trail.find_newest(connection, row.subscription_id)
    if last is None or last.what != trail.What.CHANGED:
        return ()
    now = {
        "cadence_id": row.reader_cadence_id,
        "topic_set_id": row.reader_topic_set_id,
        "locale": row.reader_locale,
        "layout": row.reader_layout,
    }
    names = {"cadence_id": "rhythm", "topic_set_id": "topics", "locale": "language", "layout": "layout"}
    return tuple(names[column] for column, value in now.items() if last.before.get(column, value) != value)


async def _until(connection: AsyncConnection, row: Any, cadence: sa.Row[Any], spec: publications.Spec) -> datetime:
    """When a wish for another address is over, and the links with it, however long their mails waited for a relay."""
    change = audience.AddressChange
    asked_at = await connection.scalar(sa.select(change.asked_at).where(change.id == row.address_change_id))
    # As it happens there is no zone of the reader's own.
    zone = zones.get(spec.timezone if cadence.frequency == "instant" else cadence.timezone)
    # Where it was withdrawn this very moment, the mail does not leave.
    until: datetime = (asked_at or row.created_at) + address_changes.LASTS
    return until.astimezone(zone)


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
