from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from digest.articles import dates

TEN = "2026-11-03T10:00:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tue, 03 Nov 2026 10:00:00 GMT", TEN),
        ("Tue, 3 Nov 2026 11:00:00 +0100", TEN),
        ("Mon, 03 Nov 2026 10:00:00 Z", TEN),  # the weekday lies
        ("03 Nov 26 05:00 EST", TEN),
        ("Tue, 03 Nov 2026 10:00 UT", TEN),
        ("Tuesday, 03-Nov-26 10:00:00 GMT", TEN),
        ("Tue, 03 Nov 2026 02:00:00 PST", TEN),
        ("Tue, 03 Nov 2026 10:00:60 GMT", "2026-11-03T10:00:59"),
        ("Tue Nov  3 10:00:00 2026", TEN),
        ("2026-11-03T10:00:00Z", TEN),
        ("2026-11-03t10:00:00.123456789z", TEN),
        ("2026-11-03T12:30:00+02:30", TEN),
        ("2026-11-03T12:00:00+0200", TEN),
        ("2026-11-03T12:00+02", TEN),
        ("2026-11-03 10:00:00 UTC", TEN),
        ("2026-11-03 10:00", TEN),
        ("20261103T100000Z", TEN),
        ("\n 2026-11-03T10:00:00Z ", TEN),
        ("2026-11-03", "2026-11-03T00:00:00"),
        ("2026-11", "2026-11-01T00:00:00"),
        ("2026-11-03T24:00:00Z", "2026-11-04T00:00:00"),
        ("Di, 03 Nov 2026 11:00:00 +0100", TEN),
        ("mar., 3 nov. 2026 11:00:00 +0100", TEN),
        ("3. März 2026", "2026-03-03T00:00:00"),
        ("3 août 2026 10:00", "2026-08-03T10:00:00"),
        ("14 juillet 2026", "2026-07-14T00:00:00"),
        ("3 de noviembre de 2026", "2026-11-03T00:00:00"),
        ("November 3rd, 2026 10:00 am", TEN),
        ("Sept. 3, 2026 12:05 p.m.", "2026-09-03T12:05:00"),
        ("3 Nov 2026, 12:05 AM", "2026-11-03T00:05:00"),
        ("1793700000", TEN),
        ("1793700000000", TEN),
    ],
)
def test_dates_as_people_write_them(text: str, expected: str) -> None:
    assert dates.read(text) == datetime.fromisoformat(expected).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "yesterday", "2026", "0000-00-00 00:00:00", "Thu, 01 Jan 1970 00:00:00 GMT", "3/11/2026",
        "32 Nov 2026",
        "2026-02-30", "Tue, 03 Nov 2026 25:00:00 GMT", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00",
        "3 Foo 2026",
        "2026-11-03T10:00:00+99:99", "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text: str) -> None:
    assert dates.read(text) is None


def test_the_first_readable_date_counts() -> None:
    assert dates.first(["soon", "2026-11-03", "2026-11-04"]) == datetime(2026, 11, 3, tzinfo=UTC)
    assert dates.first([]) is None


@given(
    st.text(max_size=40)
    | st.from_regex(r"[0-9TZ:+\-. ]{0,30}")
    | st.from_regex(r"\w{3}, \d{1,2} \w{3} \d{2,4} \d\d:\d\d(:\d\d)? [+-]\d{4}")
)
def test_no_text_raises(text: str) -> None:
    found = dates.read(text)
    assert found is None or found.tzinfo is UTC


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2100, 1, 1)))
def test_what_machines_write_is_read_exactly(instant: datetime) -> None:
    aware = instant.replace(microsecond=0, tzinfo=UTC)
    assert dates.read(aware.isoformat()) == aware
    assert dates.read(f"{aware:%a, %d %b %Y %H:%M:%S} +0000") == aware
