"""`explain`: what one reader got and why, Edition by Edition; what waits, and when the next digest is due. Reads only.

Editions leave no row for readers they had nothing for, so the reason is worked out again from what is known: when
this reader began and paused, what had been settled by then, and what there was to tell.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import publications, zones
from digest.audience import models as audience, standing, suppression, trail
from digest.commands import lookup, output, session
from digest.editions import choose, contents, models as editions
from digest.outbox import models as outbox, selections
from digest.run import wiring

# A daily reader's last three months; --json has no more either, for the point is to understand the recent ones.
LIMIT = 90
TITLES = 20


@dataclass(frozen=True)
class Past:
    """What is known of the reader's past when an Edition without a Delivery is to be explained."""

    found: standing.Standing
    shelf: contents.Shelf
    pauses: Sequence[tuple[datetime, datetime]]
    kept_since: datetime


def show(slug: str, email: str, *, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> dict[str, Any]:
        async with parts.db.reading() as connection:
            return await _gather(parts, connection, slug, email)

    document = session.play(work, at=session.clock_of(now))
    output.show(document, _lines(document), as_json=as_json)
    return 0


async def _gather(parts: wiring.Parts, connection: AsyncConnection, slug: str, email: str) -> dict[str, Any]:
    found = await lookup.reader(connection, slug, email)
    publication = await publications.get(connection, slug)
    row, choice, now = found.subscription, found.choice, parts.clock()
    topics = None if choice.topics is None else frozenset(choice.topics)
    verdict = await lookup.waiting(connection, publication, topics, covered_to=row.covered_to, now=now)
    next_due_at = await connection.scalar(
        sa.select(audience.Cadence.next_due_at).where(audience.Cadence.id == row.cadence_id)
    )
    zone = zones.get(choice.timezone)
    return {
        "email": found.email,
        "publication": slug,
        "state": found.state.value,
        "misses": row.misses,
        "missing_since": row.missing_since,
        "suppressed": await suppression.covers(connection, parts.hasher, found.address_key),
        "paused_until": row.paused_until if found.is_paused(now) else None,
        "frequency": choice.frequency,
        "weekday": publications.WEEKDAYS[choice.weekday],
        "send_at": choice.send_at,
        "timezone": choice.timezone,
        "topics": choice.topics,
        "confirmed_at": row.confirmed_at,
        "covered_to": row.covered_to,
        "head": publication.head,
        "next_due_at": next_due_at.astimezone(zone) if next_due_at else None,
        "waiting": await _titles(connection, verdict),
        "editions": await _editions(connection, found, publication, now - (parts.keep or timedelta(days=36_500))),
    }


async def _titles(connection: AsyncConnection, verdict: choose.Verdict) -> dict[str, Any]:
    if not isinstance(verdict, choose.Chosen):
        return {"count": 0, "titles": []}
    stories = {story.id: story.title for story in await selections.load_stories(connection, verdict)}
    ids = [pick.article_id for pick in (*verdict.full, *verdict.links)]
    return {"count": len(ids) + len(verdict.more), "titles": [stories[id_] for id_ in ids[:TITLES]]}


async def _editions(
    connection: AsyncConnection, found: standing.Standing, publication: sa.Row[Any], kept_since: datetime
) -> list[dict[str, Any]]:
    """Editions of this reader's Cadence, and those of earlier ones that reached this reader; the newest last."""
    rows = (await connection.execute(_query(found))).all()[::-1]
    lowest = min((row.covered_from for row in rows if row.covered_from is not None), default=0)
    shelf = await contents.Shelves().get(connection, publication.id, above=lowest)
    past = Past(found, shelf, await _pauses(connection, found.subscription.id), kept_since)
    settled, entries = lowest, []
    for row in rows:
        state, reason = _told(row) if row.delivery_state else _untold(row, past, settled)
        if row.delivery_state in (outbox.DeliveryState.SENT, outbox.DeliveryState.EMPTY) or state == "nothing new":
            settled = max(settled, row.upto)
        entries.append(_entry(row, state, reason))
    return entries


def _query(found: standing.Standing) -> sa.Select[*tuple[Any, ...]]:
    edition, delivery, cadence = editions.Edition, outbox.Delivery, audience.Cadence
    selection = editions.Selection
    mine = sa.and_(delivery.edition_id == edition.id, delivery.subscription_id == found.subscription.id)
    return (
        sa.select(
            edition,
            cadence.frequency,
            cadence.timezone,
            delivery.id.label("delivery"),
            delivery.state.label("delivery_state"),
            delivery.reason.label("delivery_reason"),
            delivery.covered_from,
            delivery.upto.label("told_upto"),
            delivery.finished_at.label("delivery_finished_at"),
            delivery.retry_at,
            delivery.batch_id,
            selection.picks,
        )
        .join(cadence, cadence.id == edition.cadence_id)
        .outerjoin(delivery, mine)
        .outerjoin(selection, selection.id == delivery.selection_id)
        .where(
            edition.publication_id == found.subscription.publication_id,
            sa.or_(delivery.id.is_not(None), edition.cadence_id == found.subscription.cadence_id),
        )
        .order_by(edition.id.desc())
        .limit(LIMIT)
    )


async def _pauses(connection: AsyncConnection, subscription_id: int) -> list[tuple[datetime, datetime]]:
    """From when to when this reader had paused, by the trail. `before` of a change tells what the one before set."""
    change = audience.Change
    rows = await connection.execute(
        sa.select(change.at, change.what, change.before)
        .where(change.subscription_id == subscription_id, change.what.in_([trail.What.PAUSED, trail.What.RESUMED]))
        .order_by(change.id)
    )
    current = await connection.scalar(
        sa.select(audience.Subscription.paused_until).where(audience.Subscription.id == subscription_id)
    )
    return list(_spans(rows.all(), current))


def _spans(rows: Sequence[Any], current: datetime | None) -> Iterator[tuple[datetime, datetime]]:
    for row, later in itertools.pairwise([*rows, None]):
        if row.what != trail.What.PAUSED:
            continue
        until = trail.restored(later.before).get("paused_until") if later else current
        if until is None:
            continue
        yield row.at, min(until, later.at) if later else until


def _told(row: Any) -> tuple[str, str]:
    """An Edition with a Delivery of this reader."""
    reason = row.delivery_reason or ""
    if row.delivery_state in (outbox.DeliveryState.DEFERRED, outbox.DeliveryState.DOUBTFUL) and row.retry_at:
        reason = f"{reason}; next try {row.retry_at:%Y-%m-%d %H:%M} UTC".lstrip("; ")
    elif row.delivery_state is outbox.DeliveryState.DOUBTFUL and row.batch_id is None:
        reason = f"{reason}; held, see: digest deliveries resolve {row.delivery}"
    return row.delivery_state.value, reason


_OVER = {
    editions.EditionState.SKIPPED: "the edition was skipped",
    editions.EditionState.HELD: "the edition is held for the operator",
    editions.EditionState.CANCELLED: "the edition was cancelled",
    editions.EditionState.PLANNED: "the edition is not filled yet",
}


def _untold(row: Any, past: Past, settled: int) -> tuple[str, str]:
    """An Edition that left no Delivery for this reader."""
    subscription = past.found.subscription
    if row.state in _OVER:
        return "no mail", _OVER[row.state] + (f": {row.reason}" if row.reason else "")
    if subscription.confirmed_at is None or row.planned_at < subscription.confirmed_at:
        return "no mail", "joined later"
    if subscription.left_at and row.planned_at >= subscription.left_at:
        return "no mail", "had left"
    if any(start <= row.planned_at < end for start, end in past.pauses):
        return "no mail", "paused"
    if row.reason:
        return "no mail", row.reason
    if row.finished_at and row.finished_at < past.kept_since:
        return "unknown", "mails of that time are no longer kept"
    return _by_choice(row, past, settled)


def _by_choice(row: Any, past: Past, settled: int) -> tuple[str, str]:
    """Judged by the Topics held now, which is all that is known; the words say so where it matters."""
    topics = None if past.found.choice.topics is None else frozenset(past.found.choice.topics)
    reach = choose.Reach(topics, settled, row.upto)
    count = sum(reach.covers(article) for article in past.shelf.candidates)
    least = past.shelf.spec.min_items
    if count == 0:
        return "nothing new", f"nothing from {settled + 1} to {row.upto} matched" if row.upto > settled else "no news"
    if count < least and past.shelf.spec.max_wait_days > 0:
        wait = timedelta(days=past.shelf.spec.max_wait_days)
        return "no mail", f"{count} waited, fewer than the minimum of {least} (for at most {wait.days} days)"
    return "no mail", "another frequency, time or topics were chosen then"


def _entry(row: Any, state: str, reason: str) -> dict[str, Any]:
    picks = row.picks or {}
    articles = sum(len(picks.get(part, ())) for part in ("full", "links", "more"))
    has_range = row.covered_from is not None and row.told_upto is not None
    return {
        "edition": row.id,
        "slot": row.slot,
        "frequency": row.frequency,
        "due_at": row.due_at,
        "delivery": row.delivery,
        "state": state,
        "reason": reason,
        "range": [row.covered_from + 1, row.told_upto] if has_range else None,
        "articles": articles,
        "finished_at": row.delivery_finished_at,
    }


def _lines(document: dict[str, Any]) -> Iterator[str]:
    yield f"{document['email']}, {document['publication']}: {_how(document)}"
    yield f"topics       {', '.join(document['topics']) if document['topics'] else 'everything'}"
    yield f"settled      up to position {document['covered_to']} of {document['head']}"
    yield f"next due     {_next(document)}"
    yield f"waiting      {document['waiting']['count']}"
    yield from (f"             {title}" for title in output.cleaned(document["waiting"]["titles"]))
    if not document["editions"]:
        yield "editions     none yet"
        return
    yield ""
    header = ("edition", "slot", "frequency", "state", "positions", "articles", "reason")
    yield from output.table(header, map(_row, document["editions"]))


def _how(document: dict[str, Any]) -> str:
    text = str(document["state"])
    if document["misses"]:
        text += f", {document['misses']} editions in a row refused since {document['missing_since']:%Y-%m-%d}"
    if document["suppressed"]:
        text += f", suppressed ({document['suppressed']})"
    if document["paused_until"]:
        text += f", paused until {document['paused_until']:%Y-%m-%d %H:%M} UTC"
    return text


def _next(document: dict[str, Any]) -> str:
    if document["frequency"] == "instant":
        return "as soon as there is something new"
    due = document["next_due_at"]
    at = f"{due:%A %Y-%m-%d %H:%M}" if due else f"{document['send_at']}, planned with the next run"
    return f"{at} {document['timezone']} ({document['frequency']})"


def _row(entry: dict[str, Any]) -> tuple[Any, ...]:
    span = f"{entry['range'][0]} to {entry['range'][1]}" if entry["range"] else ""
    said = [entry[key] for key in ("edition", "slot", "frequency", "state")]
    return (*said, span, entry["articles"] or "", entry["reason"])
