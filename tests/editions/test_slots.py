from datetime import UTC, date, datetime

import pytest

from digest.editions import slots

INSTANT = slots.at_instant(datetime(2026, 11, 2, 6, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("slot", "local_date", "is_send_now"),
    [
        (slots.scheduled(date(2026, 11, 2)), date(2026, 11, 2), False),
        (INSTANT, None, False),
        (slots.send_now(7), None, True),
        (slots.send_now(123456), None, True),  # as long as a date
    ],
)
def test_only_scheduled_editions_have_a_local_date(slot, local_date, is_send_now):
    assert slots.local_date(slot) == local_date
    assert slots.is_send_now(slot) is is_send_now


def test_an_instant_names_its_microsecond():
    at = datetime(2026, 11, 2, 6, 0, 0, 1, tzinfo=UTC)
    assert slots.at_instant(at) != INSTANT
