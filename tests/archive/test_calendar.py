"""Which Pages there are: a table of what should be, and what must hold for any rhythm and any Articles."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st

from digest.archive import calendar
from digest.editions import cadence
from tests.support import cast

START = datetime(2026, 11, 2, 0, 0, tzinfo=UTC)  # a Monday
ANCHOR = date(2024, 1, 1)
FREQUENCIES = tuple(cadence.Frequency)


def rule(frequency: str, timezone: str = "UTC", at: time = time(7, 0), weekday: int = 0) -> cadence.Rule:
    return cadence.Rule(cadence.Frequency(frequency), weekday, at, timezone, ANCHOR)


def items(*hours: float) -> list[calendar.Item]:
    """Articles whose time came so many hours after START, at positions 1, 2, 3 …"""
    return [calendar.Item(100 + n, n, START + timedelta(hours=hour)) for n, hour in enumerate(hours, 1)]


def told(found: list[calendar.Item], terms: calendar.Terms, *, days: float = 30, after: date | None = None) -> list:
    pages = calendar.days(found, terms, after=after, now=START + timedelta(days=days))
    return [(page.date.day, [item.position for item in page.items]) for page in pages]


@pytest.mark.parametrize(
    ("frequency", "expected"),
    [
        ("daily", [(2, [1, 2]), (3, [3]), (9, [4])]),
        ("weekdays", [(2, [1, 2]), (3, [3]), (9, [4])]),
        ("weekly", [(2, [1, 2]), (9, [3, 4])]),
        ("fortnightly", [(2, [1, 2]), (16, [3, 4])]),
        ("monthly", [(2, [1, 2])]),
        ("instant", [(2, [1, 2, 3]), (8, [4])]),
    ],
)
def test_each_frequency_has_its_dates(frequency, expected):
    found = items(1, 6, 8, 24 * 6 + 12)
    assert told(found, calendar.Terms(rule(frequency)), days=20) == expected


def test_a_date_is_of_the_publications_calendar():
    # 23:30 in Berlin is still the day before; 20:00 in Honolulu is already the next in Greenwich.
    late = items(22.6)
    assert told(late, calendar.Terms(rule("instant", "Europe/Berlin"))) == [(2, [1])]
    assert told(late, calendar.Terms(rule("daily", "Pacific/Honolulu", time(20, 0)))) == [(2, [1])]


def test_midnight_belongs_to_the_day_that_begins():
    assert told(items(23.99, 24), calendar.Terms(rule("instant"))) == [(2, [1]), (3, [2])]


def test_what_comes_at_the_very_minute_is_on_the_page():
    assert told(items(7, 7.001), calendar.Terms(rule("daily"))) == [(2, [1]), (3, [2])]


def test_a_day_that_is_not_over_has_no_page_yet():
    assert told(items(1, 2), calendar.Terms(rule("instant")), days=0.99) == []
    assert told(items(1, 2), calendar.Terms(rule("daily")), days=0.29) == []


def test_too_few_wait_for_more_but_not_for_ever():
    terms = calendar.Terms(rule("daily"), min_items=3, max_wait=timedelta(days=4))
    assert told(items(1, 2, 25, 100), terms) == [(3, [1, 2, 3]), (10, [4])]


def test_no_page_is_dated_before_the_last_one():
    """A weekday or a zone was changed: the next Page comes at the next date of the new rhythm."""
    assert told(items(1), calendar.Terms(rule("daily")), after=date(2026, 11, 4)) == [(5, [1])]


def test_an_article_whose_clock_stood_ahead_holds_back_those_behind_it():
    assert told(items(8, 1), calendar.Terms(rule("daily"))) == [(3, [1, 2])]


ZONES = st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Pacific/Apia", "Asia/Kathmandu", "Africa/Cairo"])
RULES = st.builds(
    cadence.Rule, st.sampled_from(FREQUENCIES), st.integers(0, 6), st.times(), ZONES, st.just(ANCHOR)
).map(lambda found: found if found.frequency is not cadence.Frequency.INSTANT else rule("instant", found.timezone))
HOURS = st.lists(st.floats(0, 24 * 90), max_size=30)
TERMS = st.builds(calendar.Terms, RULES, st.integers(1, 4), st.integers(0, 10).map(timedelta))


@given(HOURS, TERMS, st.integers(0, 120))
def test_pages_follow_each_other_without_gap_or_overlap(hours, terms, days):
    found, now = items(*hours), START + timedelta(days=days)
    pages = list(calendar.days(found, terms, after=None, now=now))
    on_pages = [item for page in pages for item in page.items]
    assert on_pages == found[: len(on_pages)]
    assert all(one.date < other.date for one, other in pairwise(pages))
    for page in pages:
        assert page.due_at <= now
        assert all(item.release_at <= page.due_at for item in page.items)


@given(HOURS.map(sorted), TERMS, st.lists(st.integers(0, 120), max_size=6).map(sorted))
def test_it_does_not_matter_when_and_how_often_one_looks(hours, terms, looks):
    found, piecemeal, after = items(*hours), [], None
    for day in [*looks, 120]:
        now = START + timedelta(days=day)
        # Who looks knows only the Articles that are there by then.
        waiting = [item for item in found[sum(len(page.items) for page in piecemeal) :] if item.release_at <= now]
        piecemeal += calendar.days(waiting, terms, after=after, now=now)
        after = piecemeal[-1].date if piecemeal else None
    assert piecemeal == list(calendar.days(found, terms, after=None, now=START + timedelta(days=120)))


def test_the_rhythm_is_the_one_on_offer():
    spec = cast.a_spec(
        min_items=2,
        frequencies=[{"frequency": "weekly", "weekday": "friday", "send_at": "18:30"}, {"frequency": "instant"}],
    )
    weekly, instant = (calendar.terms(spec, offer) for offer in spec.frequencies)
    assert (weekly.rule.weekday, weekly.rule.send_at, weekly.rule.timezone) == (4, time(18, 30), "Europe/Berlin")
    assert (weekly.min_items, weekly.max_wait) == (2, timedelta(days=7))
    assert instant.min_items == 1
