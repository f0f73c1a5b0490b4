"""What a reader chose: frequency, weekday, local time, zone and Topics, and a pause.

Makes Cadence and TopicSet rows as they are first chosen and points Subscriptions at them. Never touches
`covered_to` (design: changing a preference loses and repeats nothing) and never plans: a new Cadence has no
`next_due_at`, which is how the plan pass knows it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors, publications, sql, zones
from digest.audience import models, orders, trail

# What readers may choose besides the Publication's own layout; "text" is a mail without HTML.
LAYOUTS = ("compact", "text")
HAVE_WEEKDAY = ("weekly", "fortnightly", "monthly")


class PreferenceError(errors.DigestError):
    """This Publication does not offer what was chosen."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A complete choice in its normal form. `weekday` 0 is Monday; `topics` None means every Article."""

    frequency: str
    weekday: int
    send_at: str
    timezone: str
    topics: tuple[str, ...] | None = None


class Wish(NamedTuple):
    """What a reader or an import says; None means nothing was said. `topics` () means every Article."""

    frequency: str | None = None
    weekday: int | None = None
    send_at: str | None = None
    timezone: str | None = None
    topics: tuple[str, ...] | None = None


def fulfil(spec: publications.Spec, wish: Wish, current: Choice | None = None) -> Choice:
    """The choice a wish leads to: what it leaves out stays as it is, else follows the Publication's offer.

    Raises PreferenceError or ZoneError when the Publication does not have what is wished for.
    """
    frequency = wish.frequency or (current.frequency if current else spec.frequencies[0].frequency)
    offer = _offer(spec, frequency, is_wished=wish.frequency is not None)
    topics = _topics(spec, wish, current)
    zone = zones.get(wish.timezone).key if wish.timezone else None
    if frequency == "instant":
        # It has no time of day, so all its readers share one Cadence.
        return Choice(frequency, 0, "00:00", "UTC", topics)
    timed = current if current and current.frequency != "instant" else None
    return Choice(
        frequency,
        _weekday(frequency, offer, wish, timed),
        wish.send_at or (timed.send_at if timed else offer.send_at.strftime("%H:%M")),
        zone or (timed.timezone if timed else spec.timezone),
        topics,
    )


def _offer(spec: publications.Spec, frequency: str, *, is_wished: bool) -> publications.Offer:
    offer = spec.offer(frequency)
    if offer is not None:
        return offer
    if is_wished:
        offered = ", ".join(offer.frequency for offer in spec.frequencies)
        raise PreferenceError(f"frequency '{frequency}' is not on offer; {spec.name} offers {offered}")
    # Readers keep a frequency that was later taken off the offer.
    return publications.Offer.model_validate({"frequency": frequency})


def _weekday(frequency: str, offer: publications.Offer, wish: Wish, current: Choice | None) -> int:
    if frequency not in HAVE_WEEKDAY:
        return 0
    if wish.weekday is not None:
        return wish.weekday
    if current and current.frequency in HAVE_WEEKDAY:
        return current.weekday
    return publications.WEEKDAYS.index(offer.weekday)


def _topics(spec: publications.Spec, wish: Wish, current: Choice | None) -> tuple[str, ...] | None:
    if wish.topics is None:
        return current.topics if current else None
    unknown = sorted(set(wish.topics) - set(spec.topic_slugs))
    if unknown:
        known = ", ".join(spec.topic_slugs) or "none"
        raise PreferenceError(f"no topic '{unknown[0]}'; {spec.name} has {known}")
    return tuple(sorted(set(wish.topics))) or None


def slower(spec: publications.Spec, frequency: str) -> tuple[str, ...]:
    """The frequencies on offer that mail less often than this one, the nearest first."""
    later = publications.FREQUENCIES[publications.FREQUENCIES.index(frequency) + 1 :]
    return tuple(name for name in later if spec.offer(name))


async def cadence_id(connection: AsyncConnection, publication_id: int, choice: Choice, now: datetime) -> int:
    """The Cadence of this choice, made now if nobody chose it before."""
    key = {
        "publication_id": publication_id,
        "frequency": choice.frequency,
        "weekday": choice.weekday,
        "send_at": choice.send_at,
        "timezone": choice.timezone,
    }
    new = sql.insert(connection, models.Cadence).values(**key, created_at=now)
    return await _get_or_add(connection, models.Cadence, key, new.on_conflict_do_nothing())


async def topic_set_id(connection: AsyncConnection, publication_id: int, topics: Sequence[str] | None) -> int | None:
    """The TopicSet of this choice, None for every Article."""
    if topics is None:
        return None
    slugs = sorted(set(topics))
    key = {"publication_id": publication_id, "key": ",".join(slugs)}
    new = sql.insert(connection, models.TopicSet).values(**key, topics=slugs)
    return await _get_or_add(connection, models.TopicSet, key, new.on_conflict_do_nothing())


async def _get_or_add(
    connection: AsyncConnection, model: type[models.Cadence | models.TopicSet], key: dict[str, Any], new: sa.Insert
) -> int:
    # Looked for first: nearly always it is there, and a look takes no lock.
    find = sa.select(model.id).filter_by(**key)
    found: int | None = await connection.scalar(find)
    if found is None:
        # Another node may add it between the look and here; then ours does nothing and theirs is found.
        await connection.execute(new)
        found = (await connection.execute(find)).scalar_one()
    return found


async def change(
    connection: AsyncConnection,
    subscription: sa.Row[Any],
    choice: Choice,
    *,
    door: trail.Door,
    now: datetime,
    tell: bool = False,
) -> bool:
    """Point a Subscription at this choice; false when it already was. `tell` when its reader gets a mail about it."""
    wanted = {
        "cadence_id": await cadence_id(connection, subscription.publication_id, choice, now),
        "topic_set_id": await topic_set_id(connection, subscription.publication_id, choice.topics),
    }
    if all(getattr(subscription, column) == value for column, value in wanted.items()):
        return False
    before = trail.snapshot(subscription, *wanted)
    await put(connection, subscription.id, wanted | _told(subscription, tell))
    await trail.record(connection, [trail.Entry(subscription.id, trail.What.CHANGED, door, now, before)])
    return True


def _told(subscription: sa.Row[Any], tell: bool) -> dict[str, Any]:
    """The order for a mail about a change. A welcome that is due says the same."""
    due = subscription.notice_due
    if not tell or (due and not orders.ALONGSIDE.issuperset(due.split())):
        return {}
    return {"notice_due": orders.added(due, "changed")}


async def pause(
    connection: AsyncConnection,
    subscription: sa.Row[Any],
    until: datetime,
    *,
    door: trail.Door,
    now: datetime,
    tell: bool = False,
) -> bool:
    """No digest before `until`; what is new by then comes in the first after it. `tell` as for a change."""
    if subscription.paused_until == until:
        return False
    before = trail.snapshot(subscription, "paused_until")
    await put(connection, subscription.id, {"paused_until": until} | _told(subscription, tell))
    await trail.record(connection, [trail.Entry(subscription.id, trail.What.PAUSED, door, now, before)])
    return True


async def resume(connection: AsyncConnection, subscription: sa.Row[Any], *, door: trail.Door, now: datetime) -> bool:
    if subscription.paused_until is None:
        return False
    before = trail.snapshot(subscription, "paused_until")
    await put(connection, subscription.id, {"paused_until": None})
    await trail.record(connection, [trail.Entry(subscription.id, trail.What.RESUMED, door, now, before)])
    return True


async def speak(
    connection: AsyncConnection,
    subscription: sa.Row[Any],
    locale: str | None,
    *,
    door: trail.Door,
    now: datetime,
    tell: bool = False,
) -> bool:
    """Mail in this language; None is the Publication's. `tell` as for a change."""
    return await _dress(connection, subscription, "locale", locale, door=door, now=now, tell=tell)


async def lay_out(
    connection: AsyncConnection,
    subscription: sa.Row[Any],
    layout: str | None,
    *,
    door: trail.Door,
    now: datetime,
    tell: bool = False,
) -> bool:
    """Mail in one of LAYOUTS; None is the Publication's. `tell` as for a change."""
    return await _dress(connection, subscription, "layout", layout, door=door, now=now, tell=tell)


async def _dress(
    connection: AsyncConnection,
    subscription: sa.Row[Any],
    column: str,
    value: str | None,
    *,
    door: trail.Door,
    now: datetime,
    tell: bool,
) -> bool:
    if getattr(subscription, column) == value:
        return False
    before = trail.snapshot(subscription, column)
    await put(connection, subscription.id, {column: value} | _told(subscription, tell))
    await trail.record(connection, [trail.Entry(subscription.id, trail.What.CHANGED, door, now, before)])
    return True


async def put(connection: AsyncConnection, subscription_id: int, values: dict[str, Any]) -> None:
    """Give columns of a Subscription these values; the trail is the caller's."""
    await connection.execute(
        sa.update(models.Subscription).where(models.Subscription.id == subscription_id).values(**values)
    )
