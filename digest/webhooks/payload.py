"""What is told: the body of an Announcement, from the rows as they are when it is first told. Reads only.

Members are named as in the API, so that a program needs to know a reader's shape only once. An address is the
publisher's own; it stands in the body and nowhere else.
"""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications
from digest.announcements import Event
from digest.audience import models as audience, preferences, standing
from digest.editions import models as editions
from digest.outbox import models as outbox


async def body(connection: AsyncConnection, row: Any) -> str | None:
    """The JSON text; None when there is nothing left to tell of."""
    if row.event is Event.PING or row.event is Event.ERASED:
        data: dict[str, Any] | None = dict(row.facts)
    elif row.edition_id is not None:
        data = await _edition(connection, row.edition_id)
    else:
        data = await _subscription(connection, row)
    if data is None:
        return None
    return json.dumps({"type": row.event.value, "timestamp": _text(row.at), "data": data}, ensure_ascii=False)


async def _subscription(connection: AsyncConnection, row: Any) -> dict[str, Any] | None:
    publication = publications.Publication
    statement = (
        standing.query()
        .add_columns(publication.slug)
        .join(publication, publication.id == audience.Subscription.publication_id)
        .where(audience.Subscription.id == row.subscription_id)
    )
    found = (await connection.execute(statement)).one_or_none()
    return None if found is None else {"publication": found.slug, "subscriber": _reader(found), **row.facts}


def _reader(row: Any) -> dict[str, Any]:
    is_timed, has_weekday = row.frequency != "instant", row.frequency in preferences.HAVE_WEEKDAY
    return {
        "id": row.id,
        "email": row.email,
        "name": row.name,
        "state": str(row.state),
        "frequency": row.frequency,
        "weekday": publications.WEEKDAYS[row.weekday] if has_weekday else None,
        "send_at": row.send_at if is_timed else None,
        "timezone": row.timezone if is_timed else None,
        "topics": row.topics,
        "locale": row.locale,
        "layout": row.layout,
        "paused_until": _text(row.paused_until),
        "created_at": _text(row.created_at),
        "confirmed_at": _text(row.confirmed_at),
        "left_at": _text(row.left_at),
    }


async def _edition(connection: AsyncConnection, edition_id: int) -> dict[str, Any] | None:
    edition, delivery, publication = editions.Edition, outbox.Delivery, publications.Publication
    statement = (
        sa.select(edition, audience.Cadence.frequency, audience.Cadence.timezone, publication.slug.label("publication"))
        .join(audience.Cadence, audience.Cadence.id == edition.cadence_id)
        .join(publication, publication.id == edition.publication_id)
        .where(edition.id == edition_id)
    )
    found = (await connection.execute(statement)).one_or_none()
    if found is None:
        return None
    counted = (
        sa.select(delivery.state, sa.func.count()).where(delivery.edition_id == edition_id).group_by(delivery.state)
    )
    counts = {state.value: count for state, count in await connection.execute(counted)}
    return {
        "publication": found.publication,
        "edition": {
            "id": found.id,
            "frequency": found.frequency,
            "timezone": found.timezone,
            "slot": found.slot,
            "planned_at": _text(found.planned_at),
            "finished_at": _text(found.finished_at),
            "deliveries": {name: counts.get(name, 0) for name in ("sent", "failed", "withheld", "rolled", "empty")},
        },
    }


def _text(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
