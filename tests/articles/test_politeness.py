from datetime import UTC, datetime, timedelta

import pytest

from digest.articles import politeness

NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def wait(
    failures: int = 0, retry_after: timedelta | None = None, chance: float = 0.0, interval: timedelta = HOUR
) -> timedelta:
    found = politeness.next_fetch_at(
        NOW, interval=interval, failures=failures, retry_after=retry_after, chance=lambda: chance
    )
    return found - NOW


@pytest.mark.parametrize(("failures", "hours"), [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 24), (6, 24), (1000, 24)])
def test_each_failure_doubles_the_wait_up_to_a_day(failures: int, hours: int) -> None:
    assert wait(failures) == hours * HOUR


def test_chance_spreads_sources_by_a_tenth() -> None:
    assert wait(chance=0.5) == timedelta(minutes=57)
    assert wait(failures=9, chance=1.0) == 24 * HOUR * 0.9


def test_the_wish_of_a_server_is_not_undercut() -> None:
    assert wait(retry_after=3 * HOUR, chance=1.0) == 3 * HOUR
    assert wait(retry_after=timedelta(minutes=1)) == HOUR
    assert wait(retry_after=timedelta(days=7)) == timedelta(days=1)


def test_an_interval_longer_than_the_cap_is_kept() -> None:
    assert wait(interval=timedelta(days=7)) == timedelta(days=7)


def test_a_host_is_left_alone_for_the_gap() -> None:
    gap = timedelta(seconds=5)
    assert politeness.gap_left(None, now=NOW, gap=gap) == timedelta()
    assert politeness.gap_left(NOW - timedelta(seconds=2), now=NOW, gap=gap) == timedelta(seconds=3)
    assert politeness.gap_left(NOW - HOUR, now=NOW, gap=gap) == timedelta()


def test_urls_are_grouped_by_host() -> None:
    urls = ["https://a.example/1", "https://b.example/", "http://A.example/2", "http://[bad", "https://a.example:444/"]
    assert politeness.by_host(urls) == [
        ["https://a.example/1", "http://A.example/2", "https://a.example:444/"],
        ["https://b.example/"],
        ["http://[bad"],
    ]
