"""A run says how far it has come: a bar on a terminal, a line now and then elsewhere."""

import io
import itertools

import pytest

from digest.commands import bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seconds pass at each look."""
    monkeypatch.setattr(bar.time, "monotonic", itertools.count(100.0, 2.0).__next__)


def test_elsewhere_a_line_comes_now_and_then_with_rate_and_time_left(clock: None) -> None:
    out = io.StringIO()
    with bar.shown("mails", stream=out) as update:
        for done in range(0, 100_000, 10_000):
            update(done, 100_000)
    assert out.getvalue().splitlines()[-1].startswith("digest: ")
    assert " of 100,000 mails, " in out.getvalue()
    assert "/s, " in out.getvalue()
    assert out.getvalue().count("\n") < 6


def test_nothing_to_do_is_nothing_to_say(clock: None) -> None:
    out = io.StringIO()
    with bar.shown("mails", stream=out) as update:
        for _ in range(20):
            update(0, 0)
    assert out.getvalue() == ""


def test_a_short_run_says_nothing() -> None:
    out = io.StringIO()
    with bar.shown("mails", stream=out) as update:
        update(0, 10)
        update(10, 10)
    assert out.getvalue() == ""


def test_what_stands_still_has_no_rate(clock: None) -> None:
    out = io.StringIO()
    with bar.shown("mails", stream=out) as update:
        for _ in range(10):
            update(7, 10)
    assert set(out.getvalue().splitlines()) == {"digest: 7 of 10 mails"}


def test_a_terminal_gets_a_bar() -> None:
    out = Terminal()
    with bar.shown("mails", stream=out) as update:
        update(0, 0)
        update(3, 10)
    assert "mails" in out.getvalue()
    assert "3/10" in out.getvalue()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (60, "1 min"),
        (324, "5 min 24 s"),
        (7500, "2 h 5 min"),
        (7200, "2 h"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_are_told_in_the_two_units_that_matter(seconds: float, text: str) -> None:
    assert bar.duration(seconds) == text
