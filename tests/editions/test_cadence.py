"""Due instants: hand-written vectors, every clock change of 2024-2031, and properties over a century of calendars."""

import dataclasses
import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from digest import zones
from digest.editions import cadence
from digest.editions.cadence import Due, Frequency, Rule

DAY = timedelta(days=1)
MONDAY, WEDNESDAY, FRIDAY, SUNDAY = 0, 2, 4, 6
ANCHOR = date(2026, 1, 5)  # Monday of ISO week 2


def a_rule(frequency: str = "daily", at: str = "08:00", zone: str = "UTC", weekday: int | None = None) -> Rule:
    return Rule(Frequency(frequency), weekday, time.fromisoformat(at), zone, ANCHOR)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(rule: Rule, start: str, end: str) -> list[str]:
    return [due.slot.isoformat() for due in cadence.slots_between(rule, utc(start), utc(end))]


# --- one date, one instant: vectors written by hand ---------------------------------------------------------------

VECTORS = [
    # zone, local time, local date, the instant in UTC
    ("Europe/Berlin", "08:00", "2026-11-22", "2026-11-22T07:00"),
    ("Europe/Berlin", "08:00", "2026-07-01", "2026-07-01T06:00"),
    ("Europe/Berlin", "02:30", "2027-03-28", "2027-03-28T01:30"),  # gap 02-03: 03:30 on the wall
    ("Europe/Berlin", "03:00", "2027-03-28", "2027-03-28T01:00"),  # the first instant after the gap
    ("Europe/Berlin", "02:30", "2026-10-25", "2026-10-25T00:30"),  # overlap 02-03: the first, +02:00
    ("Europe/Berlin", "03:00", "2026-10-25", "2026-10-25T02:00"),
    ("America/New_York", "02:30", "2027-03-14", "2027-03-14T07:30"),  # gap: 03:30 -04:00
    ("America/New_York", "01:30", "2026-11-01", "2026-11-01T05:30"),  # overlap: the first, -04:00
    ("America/New_York", "02:30", "2026-11-01", "2026-11-01T07:30"),
    ("America/St_Johns", "02:30", "2026-03-08", "2026-03-08T06:00"),  # gap on a half-hour zone: 03:30 -02:30
    ("America/St_Johns", "01:30", "2026-11-01", "2026-11-01T04:00"),
    ("America/St_Johns", "00:00", "2010-11-07", "2010-11-07T02:30"),  # 00:01 went back to 23:01 of the day before
    ("America/St_Johns", "23:30", "2010-11-06", "2010-11-07T02:00"),
    ("Australia/Lord_Howe", "02:15", "2026-10-04", "2026-10-03T15:45"),  # a gap of 30 minutes: 02:45 +11
    ("Australia/Lord_Howe", "01:45", "2027-04-04", "2027-04-03T14:45"),  # an overlap of 30 minutes
    ("Africa/Casablanca", "02:30", "2024-03-10", "2024-03-10T01:30"),  # Ramadan: 03:00 goes back to 02:00
    ("Africa/Casablanca", "02:30", "2024-04-14", "2024-04-14T02:30"),  # and forward again: 03:30 +01
    ("Africa/Cairo", "00:00", "2024-04-26", "2024-04-25T22:00"),  # the day has no midnight: 01:00 +03
    ("Asia/Beirut", "00:30", "2024-03-31", "2024-03-30T22:30"),
    ("America/Santiago", "00:00", "2024-09-08", "2024-09-08T04:00"),
    ("Antarctica/Troll", "02:30", "2026-03-29", "2026-03-29T02:30"),  # a gap of two hours: 04:30 +02
    ("Asia/Kathmandu", "08:00", "2026-11-22", "2026-11-22T02:15"),
    ("Asia/Kolkata", "00:00", "2026-11-22", "2026-11-21T18:30"),
    ("Pacific/Apia", "08:00", "2011-12-29", "2011-12-29T18:00"),  # -10, the day before the missing one
    ("Pacific/Apia", "08:00", "2011-12-31", "2011-12-30T18:00"),  # +14
    ("Pacific/Kiritimati", "00:00", "2026-11-22", "2026-11-21T10:00"),
    ("America/Montreal", "23:45", "1919-03-30", "1919-03-31T04:45"),  # gap 23:30-00:30: due on the next date
]


@pytest.mark.parametrize(("zone", "at", "day", "instant"), VECTORS)
def test_a_local_date_and_time_become_this_instant(zone, at, day, instant):
    rule = a_rule(at=at, zone=zone)
    due = utc(instant)
    assert cadence.next_due(rule, due - timedelta(seconds=1)) == due
    assert cadence.next_due(rule, due) > due
    assert cadence.local_date(rule, due) == date.fromisoformat(day)


def test_every_date_has_one_digest_where_the_gap_runs_past_midnight():
    rule = a_rule(at="23:45", zone="America/Montreal")
    assert slots(rule, "1919-03-29T12:00", "1919-04-02T00:00") == ["1919-03-29", "1919-03-30", "1919-03-31"]


@pytest.mark.parametrize(
    ("frequency", "weekday", "expected"),
    [
        ("daily", None, ["2011-12-28", "2011-12-29", "2011-12-31", "2012-01-01", "2012-01-02"]),
        ("weekdays", None, ["2011-12-28", "2011-12-29", "2012-01-02"]),
        ("weekly", FRIDAY, ["2011-12-31"]),  # the Friday did not exist: the day after, not a week later
        ("weekly", WEDNESDAY, ["2011-12-28"]),
    ],
)
def test_a_date_the_zone_skipped_is_nobodys_slot(frequency, weekday, expected):
    rule = a_rule(frequency, zone="Pacific/Apia", weekday=weekday)
    assert slots(rule, "2011-12-28T12:00", "2012-01-02T12:00") == expected


# --- which dates ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frequency", "weekday", "expected"),
    [
        ("daily", None, ["2026-01-08", "2026-01-09", "2026-01-10", "2026-01-11"]),
        ("weekdays", None, ["2026-01-08", "2026-01-09", "2026-01-12", "2026-01-13"]),
        ("weekly", SUNDAY, ["2026-01-11", "2026-01-18", "2026-01-25", "2026-02-01"]),
        ("weekly", None, ["2026-01-12", "2026-01-19", "2026-01-26", "2026-02-02"]),
        ("fortnightly", WEDNESDAY, ["2026-01-21", "2026-02-04", "2026-02-18", "2026-03-04"]),
        ("fortnightly", SUNDAY, ["2026-01-11", "2026-01-25", "2026-02-08", "2026-02-22"]),
        ("monthly", WEDNESDAY, ["2026-02-04", "2026-03-04", "2026-04-01", "2026-05-06"]),
        ("monthly", SUNDAY, ["2026-02-01", "2026-03-01", "2026-04-05", "2026-05-03"]),
    ],
)
def test_a_frequency_names_these_dates(frequency, weekday, expected):
    rule = a_rule(frequency, weekday=weekday)
    after_wednesday_morning = utc("2026-01-07T09:00")
    dues = cadence.slots_between(rule, after_wednesday_morning, utc("2026-12-31T00:00"))
    assert [due.slot.isoformat() for due in itertools.islice(dues, 4)] == expected


def test_instant_is_never_due():
    rule = a_rule("instant")
    assert cadence.next_due(rule, utc("2026-01-01T00:00")) is None
    assert cadence.latest_due(rule, since=utc("2026-01-01T00:00"), now=utc("2026-02-01T00:00")) is None
    assert slots(rule, "2026-01-01T00:00", "2026-02-01T00:00") == []


@pytest.mark.parametrize("anchor", [date(2026, 1, 5), date(2026, 1, 8), date(2026, 1, 11), date(2028, 1, 3)])
def test_any_day_of_an_even_week_anchors_alike_even_one_to_come(anchor):
    rule = dataclasses.replace(a_rule("fortnightly", weekday=FRIDAY), anchor=anchor)
    assert slots(rule, "2026-01-05T00:00", "2026-02-01T00:00") == ["2026-01-09", "2026-01-23"]


def test_fortnightly_goes_on_across_a_year_of_53_iso_weeks():
    rule = a_rule("fortnightly", weekday=MONDAY)
    assert slots(rule, "2026-12-01T00:00", "2027-02-01T00:00") == [
        "2026-12-07", "2026-12-21", "2027-01-04", "2027-01-18",
    ]  # fmt: skip


def test_the_slot_is_the_local_date_not_the_utc_one():
    rule = a_rule(at="07:00", zone="Pacific/Auckland")
    assert cadence.latest_due(rule, since=utc("2026-06-01T00:00"), now=utc("2026-06-01T19:00")) == Due(
        utc("2026-06-01T19:00"), date(2026, 6, 2)
    )


def test_local_date_of_any_other_instant_is_the_readers_calendar_date():
    assert cadence.local_date(a_rule(zone="Asia/Kolkata"), utc("2026-11-21T20:00")) == date(2026, 11, 22)


@pytest.mark.parametrize("broken", [{"weekday": 7}, {"weekday": -1}, {"send_at": time(8, tzinfo=UTC)}])
def test_a_rule_that_makes_no_sense_is_not_built(broken):
    with pytest.raises(ValueError):
        dataclasses.replace(a_rule("weekly"), **broken)


def test_a_rule_in_an_unknown_zone_says_so():
    with pytest.raises(zones.ZoneError):
        cadence.next_due(a_rule(zone="Europe/Bonn"), utc("2026-01-01T00:00"))


# --- catching up ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frequency", "since", "now", "expected"),
    [
        ("daily", "2026-01-07T08:00", "2026-01-08T07:59", None),  # the start is settled, nothing since
        ("daily", "2026-01-07T07:59", "2026-01-07T08:00", "2026-01-07"),  # due counts at once
        ("daily", "2026-01-07T08:00", "2026-01-20T12:00", "2026-01-20"),
        ("weekdays", "2026-01-07T08:00", "2026-01-11T12:00", "2026-01-09"),
        ("weekly", "2020-01-01T00:00", "2026-01-11T12:00", "2026-01-05"),
        ("fortnightly", "2020-01-01T00:00", "2026-01-18T12:00", "2026-01-05"),
        ("monthly", "2020-01-01T00:00", "2026-03-01T12:00", "2026-02-02"),
        ("monthly", "2026-02-03T00:00", "2026-03-01T12:00", None),
    ],
)
def test_after_downtime_the_latest_due_one_stands_for_all(frequency, since, now, expected):
    due = cadence.latest_due(a_rule(frequency), since=utc(since), now=utc(now))
    assert (due and due.slot.isoformat()) == expected


# --- less often -----------------------------------------------------------------------------------------------------

ALL = set(Frequency)


@pytest.mark.parametrize(
    ("frequency", "on_offer", "expected"),
    [
        ("instant", ALL, "daily"),
        ("daily", ALL, "weekly"),
        ("daily", {"daily", "weekdays"}, "weekdays"),
        ("weekdays", ALL, "weekly"),
        ("weekly", ALL, "fortnightly"),
        ("weekly", {"daily", "monthly"}, "monthly"),
        ("instant", {"instant", "weekdays", "weekly"}, "weekdays"),
        ("monthly", ALL, None),
        ("weekly", {"daily", "weekly"}, None),
    ],
)
def test_less_often_leads_here(frequency, on_offer, expected):
    assert cadence.slower(Frequency(frequency), {Frequency(name) for name in on_offer}) == expected


# --- every clock change of eight years ------------------------------------------------------------------------------

FIRST, LAST = datetime(2024, 1, 1, tzinfo=UTC), datetime(2032, 1, 1, tzinfo=UTC)
LOCAL_TIMES = [time(0, 0), time(2, 30), time(8, 0)]


def offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    found = instant.astimezone(zone).utcoffset()
    assert found is not None
    return found


def changes(zone: ZoneInfo) -> Iterator[datetime]:
    """Each instant at which the zone's offset changes: bisect every day that ends with another than it began."""
    day = FIRST
    before = offset(zone, day)
    while day < LAST:
        after = offset(zone, day + DAY)
        if after != before:
            yield change_within(zone, day)
        day, before = day + DAY, after


def change_within(zone: ZoneInfo, day: datetime) -> datetime:
    start, before = 0, offset(zone, day)
    end = 24 * 3600
    while end - start > 1:
        middle = (start + end) // 2
        if offset(zone, day + timedelta(seconds=middle)) == before:
            start = middle
        else:
            end = middle
    return day + timedelta(seconds=end)


def expected_instant(zone: ZoneInfo, change: datetime, wall: datetime) -> datetime:
    """When the wall clock shows this, told from the offsets on both sides alone."""
    old, new = offset(zone, change - timedelta(seconds=1)), offset(zone, change)
    by_old, by_new = (wall - old).replace(tzinfo=UTC), (wall - new).replace(tzinfo=UTC)
    if by_old < change:
        return by_old  # before the change, or the first of two
    return by_new if by_new >= change else by_old  # after it, or never: forward by as much as the clocks


def test_every_clock_change_until_2031_leaves_one_edition_per_local_date():
    seen = 0
    for name in sorted(zones.names()):
        zone = zones.get(name)
        for change, at in itertools.product(changes(zone), LOCAL_TIMES):
            seen += 1
            rule = Rule(Frequency.DAILY, None, at, name, ANCHOR)
            start, end = change - 3 * DAY, change + 3 * DAY
            dates = [start.astimezone(zone).date() + n * DAY for n in range(8)]
            expected = [Due(expected_instant(zone, change, datetime.combine(day, at)), day) for day in dates]
            dues = list(cadence.slots_between(rule, start, end))
            assert dues == [due for due in expected if start < due.at <= end], (name, change, at)
            assert [cadence.local_date(rule, due.at) for due in dues] == [due.slot for due in dues]
    assert seen > 6_000  # about 200 zones change their clocks twice a year


# --- properties over any zone, rule and year ------------------------------------------------------------------------

instants = st.timedeltas(timedelta(0), timedelta(days=73_000)).map(lambda passed: utc("1900-01-01T00:00") + passed)
rules = st.builds(
    Rule,
    frequency=st.sampled_from(list(Frequency)[1:]),
    weekday=st.none() | st.integers(0, 6),
    send_at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    timezone=st.sampled_from(sorted(zones.names())),
    anchor=st.dates(date(2000, 1, 1), date(2050, 1, 1)),
)


@given(rules, instants)
def test_due_instants_and_slots_only_rise(rule, start):
    dues = list(itertools.islice(cadence.slots_between(rule, start, start + 100 * DAY), 5))
    assert all(one.at < other.at and one.slot < other.slot for one, other in itertools.pairwise(dues))
    assert all(other.at - one.at <= cadence.LONGEST_GAP[rule.frequency] for one, other in itertools.pairwise(dues))
    assert all(cadence.local_date(rule, due.at) == due.slot for due in dues)


@given(rules, instants, st.timedeltas(timedelta(0), timedelta(days=80)))
def test_catching_up_finds_the_last_of_all_that_were_missed(rule, since, downtime):
    missed = list(cadence.slots_between(rule, since, since + downtime))
    assert cadence.latest_due(rule, since=since, now=since + downtime) == (missed[-1] if missed else None)


@given(rules, instants, st.timedeltas(timedelta(0), timedelta(days=80)))
def test_no_due_instant_hides_between_now_and_the_next(rule, now, later):
    following = cadence.next_due(rule, now)
    between = min(now + later, following - timedelta(seconds=1))
    assert following > now
    assert cadence.next_due(rule, max(now, between)) == following
