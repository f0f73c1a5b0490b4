"""Which dates of the archive there are, and which positions each tells. Pure.

The archive has a rhythm of its own: that of the Publication's offer, in the Publication's zone. Readers of a frequency
have hundreds of Cadences; what the archive shows must not depend on who reads. A Page takes the Articles whose time had
come when it fell due, in order of position, so it does not matter when, how often or by which node it is computed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from digest import publications, zones
from digest.editions import cadence

TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Item:
    """An Article that no Page tells yet, as far as it matters here. `release_at` is when its time came."""

    id: int
    position: int
    release_at: datetime
    published_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """How many make a Page, as for a reader's digest: fewer wait for more, but never longer than `max_wait`."""

    rule: cadence.Rule
    min_items: int = 1
    max_wait: timedelta = timedelta(0)


@dataclass(frozen=True, slots=True)
class Day:
    """A Page to be written; `items` are in order of position, the last one's is its `upto`."""

    date: date
    due_at: datetime
    items: tuple[Item, ...]


def terms(spec: publications.Spec, offer: publications.Offer) -> Terms:
    """The rhythm of one frequency on offer. `instant` has a Page for each local day, once that is over."""
    frequency, weekday = cadence.Frequency(offer.frequency), publications.WEEKDAYS.index(offer.weekday)
    rule = cadence.Rule(frequency, weekday, offer.send_at, spec.timezone, spec.fortnight_anchor)
    if frequency is cadence.Frequency.INSTANT:
        return Terms(cadence.Rule(frequency, None, time(), spec.timezone, spec.fortnight_anchor))
    return Terms(rule, spec.min_items, timedelta(days=spec.max_wait_days))


def days(items: Sequence[Item], terms: Terms, *, after: date | None, now: datetime) -> Iterator[Day]:
    """The Pages due by `now` that tell these Articles, which are in order of position; none is dated up to `after`."""
    start = 0
    for day, due_at in _dues(terms.rule, items[0].release_at, now) if items else ():
        if after is not None and day <= after:
            continue
        end = start
        # In order of position: a clock that stood behind on one node lets an Article wait, and never leaves a hole.
        while end < len(items) and items[end].release_at <= due_at:
            end += 1
        ready = items[start:end]
        if ready and _is_enough(ready, terms, due_at):
            yield Day(day, due_at, tuple(ready))
            start = end
        if start == len(items):
            return


def is_due(first: Item, terms: Terms, *, after: date | None, now: datetime) -> bool:
    """Whether a Page might tell this Article by now: spares a look at all the others."""
    return any(after is None or day > after for day, _ in _dues(terms.rule, first.release_at, now))


def _is_enough(ready: Sequence[Item], terms: Terms, at: datetime) -> bool:
    return len(ready) >= terms.min_items or at - min(item.release_at for item in ready) >= terms.max_wait


def _dues(rule: cadence.Rule, since: datetime, now: datetime) -> Iterator[tuple[date, datetime]]:
    """The dates from `since` on, each with the instant that closes it."""
    if rule.frequency is not cadence.Frequency.INSTANT:
        for due in cadence.slots_between(rule, since - TICK, now):
            yield due.slot, due.at
        return
    midnights = cadence.Rule(cadence.Frequency.DAILY, None, time(), rule.timezone, rule.anchor)
    for due in cadence.slots_between(midnights, since, now):
        # What comes at midnight belongs to the day that begins.
        last = due.at - TICK
        yield last.astimezone(zones.get(rule.timezone)).date(), last
