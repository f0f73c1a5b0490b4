"""What the forms on the page of all settings do, each for one Subscription: a change with its row in the trail, or
mistakes by field and nothing changed.

Leaves what `audience.preferences` leaves. Whoever acts is a reader whose mail we had not given up.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, errors, links, publications, zones
from digest.audience import (
    address_changes,
    failing,
    models,
    preferences,
    screening,
    standing,
    trail,
    undoing,
    unsubscribe,
)
from digest.editions import wording
from digest.web import managing
from digest.web.pages import pause as pauses, topics as topic_page

Form = Mapping[str, str]
# Which field is wrong, and a word for how; the template has the sentences.
Mistakes = dict[str, str]
DOOR = trail.Door.PAGE
# Few times of day mean few Cadences, which is what makes finding due work cheap.
MINUTES = 15


@dataclass(frozen=True)
class Place:
    """Where a form acts: a transaction with the readers' rows locked, and the Subscription it names."""

    connection: AsyncConnection
    visit: managing.Visit
    found: standing.Standing

    @property
    def door(self) -> dict[str, Any]:
        """What every change of a choice is told of who made it."""
        return {"door": DOOR, "now": self.visit.now, "tell": self.found.spec.settings_changed}


Act = Callable[[Place, Form], Awaitable[Mistakes]]


def find(name: str, visit: managing.Visit, found: standing.Standing) -> Act | None:
    """The act of this name, if it can be done to a Subscription that stands like this."""
    if name in PERSONAL:
        return PERSONAL[name] if visit.reading else None
    open_to = BY_STATE.get(found.state)
    return ACTS.get(name) if open_to is None or name in open_to else None


async def rhythm(place: Place, form: Form) -> Mistakes:
    """How often, on which day, at what time. Where a frequency has no day or no time, what is said of it is unheard."""
    found, choice = place.found, place.found.choice
    frequency = form.get("frequency", "")
    if frequency not in offered(found):
        return {"frequency": "unknown"}
    weekday = _weekday(form.get("weekday", ""))
    if frequency in preferences.HAVE_WEEKDAY and weekday is None:
        return {"weekday": "unknown"}
    send_at = time_of(form.get("send_at", ""), choice.send_at)
    if frequency != "instant" and send_at is None:
        return {"send_at": "unknown"}
    # Who had no time of day had no zone either, and is where their other mails are timed.
    zone = place.visit.zone if choice.frequency == "instant" else ""
    wish = preferences.Wish(None if frequency == choice.frequency else frequency, weekday, send_at, zone or None)
    await _choose(place, wish)
    return {}


def offered(found: standing.Standing) -> tuple[str, ...]:
    """The frequencies to choose from: those on offer, and one's own if it no longer is."""
    names = [str(offer.frequency) for offer in found.spec.frequencies]
    return tuple(sorted({*names, found.choice.frequency}, key=publications.FREQUENCIES.index))


def _weekday(text: str) -> int | None:
    return int(text) if text in {"0", "1", "2", "3", "4", "5", "6"} else None


def time_of(text: str, current: str) -> str | None:
    """A time of day by the quarter of an hour, or the one there is; None for anything else."""
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return None
    said = at.strftime("%H:%M")
    return said if said == current or (at.minute % MINUTES == 0 and not at.second and at.tzinfo is None) else None


async def topics(place: Place, form: Form) -> Mistakes:
    wanted = topic_page.wanted(form, place.found.spec.topic_slugs)
    if wanted is None:
        return {"topics": "none"}
    await _choose(place, preferences.Wish(topics=wanted))
    return {}


async def language(place: Place, form: Form) -> Mistakes:
    """The Publication's own is kept as none, so that it follows the Publication."""
    wanted = form.get("language", "")
    if wanted not in ("", place.found.subscription.locale, *wording.spoken()):
        return {"language": "unknown"}
    await _wake(place)
    await preferences.speak(place.connection, place.found.subscription, wanted or None, **place.door)
    return {}


async def layout(place: Place, form: Form) -> Mistakes:
    wanted = form.get("layout", "")
    if wanted not in ("full", *preferences.LAYOUTS):
        return {"layout": "unknown"}
    await _wake(place)
    await preferences.lay_out(
        place.connection, place.found.subscription, None if wanted == "full" else wanted, **place.door
    )
    return {}


async def pause(place: Place, form: Form) -> Mistakes:
    today = today_of(place.found, place.visit.now)
    day = pauses.wished_day(form, today)
    if day is None:
        return {"until": "unknown"}
    until = datetime.combine(day, time(), zones.get(place.found.choice.timezone)).astimezone(UTC)
    await _wake(place)
    await preferences.pause(place.connection, place.found.subscription, until, **place.door)
    return {}


async def resume(place: Place, _form: Form) -> Mistakes:
    await _wake(place)
    await preferences.resume(place.connection, place.found.subscription, door=DOOR, now=place.visit.now)
    return {}


async def leave(place: Place, _form: Form) -> Mistakes:
    row = place.found.subscription
    token = links.MailToken(row.id, row.generation, 0)
    await unsubscribe.leave(place.connection, token, door=DOOR, now=place.visit.now)
    return {}


async def undo(place: Place, _form: Form) -> Mistakes:
    id_ = place.found.subscription.id
    undone = await undoing.undo(place.connection, id_, door=DOOR, now=place.visit.now)
    if undone is None and not await undoing.is_done(place.connection, id_):
        return {"undo": "over"}
    await _wake(place)
    return {}


async def zone(place: Place, form: Form) -> Mistakes:
    """A person is in one place: whatever comes to them at a time of day comes by its clock."""
    try:
        wanted = zones.get(form.get("timezone", "")).key
    except errors.DigestError:
        return {"timezone": "unknown"}
    for found in place.visit.all:
        if found.state is not models.SubscriptionState.UNSUBSCRIBED and found.choice.frequency != "instant":
            one = Place(place.connection, place.visit, found)
            await _choose(one, preferences.Wish(timezone=wanted))
    return {}


async def address(place: Place, form: Form) -> Mistakes:
    """Ask both addresses. Nothing in the answer tells whether the new one is known to us."""
    parts, reading = place.visit.parts, place.visit.reading
    try:
        wanted = addresses.parse(form.get("email", ""))
    except addresses.AddressError:
        return {"email": "wrong"}
    if screening.judge(wanted, parts.sign_up.policy):
        return {"email": "unfit"}
    assert reading is not None
    row, now = reading.subscription, place.visit.now
    asked = await address_changes.ask(place.connection, parts.hasher, row, wanted, now=now)
    faults = {address_changes.Asked.SAME: "same", address_changes.Asked.TOO_OFTEN: "often"}
    return {"email": faults[asked]} if asked in faults else {}


async def keep(place: Place, _form: Form) -> Mistakes:
    """Move nowhere after all."""
    await address_changes.withdraw(place.connection, place.found.subscription.subscriber_id)
    return {}


async def _choose(place: Place, wish: preferences.Wish) -> None:
    found = place.found
    choice = preferences.fulfil(found.spec, wish, found.choice)
    await _wake(place)
    await preferences.change(place.connection, found.subscription, choice, **place.door)


async def _wake(place: Place) -> None:
    ids = [place.found.subscription.id]
    await failing.reactivate(place.connection, ids, door=DOOR, now=place.visit.now)


def today_of(found: standing.Standing, now: datetime) -> date:
    return now.astimezone(zones.get(found.choice.timezone)).date()


def limits(visit: managing.Visit) -> dict[str, tuple[date, date]]:
    """From which day to which a pause may last, by Publication."""
    days = {slug: today_of(found, visit.now) for slug, found in visit.by_slug.items()}
    return {slug: (day + timedelta(days=1), day + pauses.LONGEST) for slug, day in days.items()}


ACTS: dict[str, Act] = {act.__name__: act for act in (rhythm, topics, language, layout, pause, resume, leave, undo)}
# What is left to whoever has left, or has not confirmed yet; all else is for readers.
BY_STATE: dict[models.SubscriptionState, tuple[str, ...]] = {
    models.SubscriptionState.UNSUBSCRIBED: ("undo", "leave"),
    models.SubscriptionState.PENDING: (),
}
# What concerns the person, whichever Publication the form names.
PERSONAL: dict[str, Act] = {act.__name__: act for act in (zone, address, keep)}
