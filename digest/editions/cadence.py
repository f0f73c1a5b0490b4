"""When a digest is due: a frequency, a local time and a zone become UTC instants.

Pure: no rows, no clock. A due instant is the local time on its local date. Where the clocks skip that time it moves
forward with them, where they show it twice the first counts, so each local date has exactly one instant; that date
is the Edition's slot. `instant` knows no slots and is never due here.
"""

import dataclasses
import enum
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, time, timedelta

from digest import zones

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)


class Frequency(enum.StrEnum):
    """How often a reader hears from us, most often first: `slower` relies on this order."""

    INSTANT = "instant"
    DAILY = "daily"
    WEEKDAYS = "weekdays"
    WEEKLY = "weekly"
    FORTNIGHTLY = "fortnightly"
    MONTHLY = "monthly"


# No two due instants lie further apart, skipped dates and clock changes included. Catching up looks back no further,
# so a year of downtime costs a handful of steps.
LONGEST_GAP = {
    Frequency.DAILY: timedelta(days=3),
    Frequency.WEEKDAYS: timedelta(days=6),
    Frequency.WEEKLY: timedelta(days=9),
    Frequency.FORTNIGHTLY: timedelta(days=16),
    Frequency.MONTHLY: timedelta(days=37),
}


@dataclasses.dataclass(frozen=True)
class Rule:
    """What a Cadence promises. `weekday` counts from 0 = Monday (None: Monday) and only matters from weekly on.

    `anchor` is any day of a week in which fortnightly digests go out.
    """

    frequency: Frequency
    weekday: int | None
    send_at: time
    timezone: str
    anchor: date

    def __post_init__(self) -> None:
        if self.weekday is not None and self.weekday not in range(7):
            raise ValueError(f"weekday {self.weekday} is outside 0 (Monday) to 6 (Sunday)")
        if self.send_at.tzinfo is not None:
            raise ValueError("send_at is a wall clock time; its zone stands in `timezone`")


@dataclasses.dataclass(frozen=True)
class Due:
    """One digest: the UTC instant it is due, and the local date that names it."""

    at: datetime
    slot: date


def next_due(rule: Rule, after: datetime) -> datetime | None:
    """The first due instant strictly later than `after`, in UTC; None for `instant`."""
    due = _next(rule, after)
    return due.at if due else None


def latest_due(rule: Rule, *, since: datetime, now: datetime) -> Due | None:
    """The latest one due in (since, now]: after downtime this one Edition stands for all that were missed."""
    if rule.frequency is Frequency.INSTANT:
        return None
    latest = None
    for due in slots_between(rule, max(since, now - LONGEST_GAP[rule.frequency]), now):
        latest = due
    return latest


def slots_between(rule: Rule, start: datetime, end: datetime) -> Iterator[Due]:
    """Everything due in (start, end], in order."""
    due = _next(rule, start)
    while due and due.at <= end:
        yield due
        due = _next(rule, due.at)


def local_date(rule: Rule, instant: datetime) -> date:
    """The slot of a due instant; for any other instant its date on the reader's calendar."""
    day = instant.astimezone(zones.get(rule.timezone)).date()
    # 23:45 on a night whose clocks jump from 23:30 to 00:30 is due at 00:45: still the digest of the day before.
    yesterday = day - DAY
    if _instant(rule, yesterday) == instant != _instant(rule, day):
        return yesterday
    return day


def slower(frequency: Frequency, on_offer: Collection[Frequency]) -> Frequency | None:
    """What "less often" leads to among those on offer; None when nothing is slower."""
    order = list(Frequency)
    rarer = [other for other in order[order.index(frequency) + 1 :] if other in on_offer]
    # Five mails a week instead of seven is not what a reader who asks for less has in mind.
    if frequency is Frequency.DAILY and len(rarer) > 1 and rarer[0] is Frequency.WEEKDAYS:
        return rarer[1]
    return rarer[0] if rarer else None


def _next(rule: Rule, after: datetime) -> Due | None:
    if rule.frequency is Frequency.INSTANT:
        return None
    # Yesterday's may still lie ahead: a clock change around midnight can push it past midnight.
    day = after.astimezone(zones.get(rule.timezone)).date() - DAY
    while True:
        day = _first_from(rule, day)
        slot = _slot(rule, day)
        at = _instant(rule, slot) if slot else None
        if slot and at and at > after:
            return Due(at, slot)
        day += DAY


def _first_from(rule: Rule, day: date) -> date:
    """The first calendar date on or after `day` that the frequency names."""
    match rule.frequency:
        case Frequency.DAILY:
            return day
        case Frequency.WEEKDAYS:
            return day if day.weekday() < 5 else _on_weekday(day, 0)
        case Frequency.WEEKLY:
            return _on_weekday(day, rule.weekday)
        case Frequency.FORTNIGHTLY:
            chosen = _on_weekday(day, rule.weekday)
            return chosen + WEEK if _weeks_apart(rule.anchor, chosen) % 2 else chosen
        case _:
            chosen = _on_weekday(day.replace(day=1), rule.weekday)
            next_month = day.replace(day=28) + timedelta(days=4)
            return chosen if chosen >= day else _on_weekday(next_month.replace(day=1), rule.weekday)


def _on_weekday(day: date, weekday: int | None) -> date:
    return day + timedelta(days=((weekday or 0) - day.weekday()) % 7)


def _weeks_apart(one: date, other: date) -> int:
    """ISO weeks between two dates. Ordinal 1 was a Monday."""
    return (other.toordinal() - 1) // 7 - (one.toordinal() - 1) // 7


def _slot(rule: Rule, day: date) -> date | None:
    """The local date that stands for `day`: itself, unless the zone skipped it (Apia had no 30 December 2011).

    A weekly reader then gets the digest on the day after, rather than wait another week; daily and weekdays readers
    have one the day after or soon anyway.
    """
    midnight = datetime.combine(day, time(), tzinfo=zones.get(rule.timezone))
    # Only a jump of a whole day carries midnight past its date.
    reached = midnight.astimezone(UTC).astimezone(midnight.tzinfo).date()
    if reached == day:
        return day
    return None if rule.frequency in (Frequency.DAILY, Frequency.WEEKDAYS) else reached


def _instant(rule: Rule, day: date) -> datetime:
    # fold=0, the default, reads a time in a gap with the offset from before the change, which moves it forward by the
    # gap, and takes the first of two in an overlap (PEP 495).
    return datetime.combine(day, rule.send_at, tzinfo=zones.get(rule.timezone)).astimezone(UTC)
