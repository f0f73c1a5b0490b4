"""Windows open slowly, close at once, and forget."""

import dataclasses

import pytest

from digest.outbox import windows
from digest.outbox.windows import Signal

GMAIL, OTHER = ("main", "gmail"), ("main", "news.example")


@dataclasses.dataclass
class Clock:
    seconds: float = 1000

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def made(clock: Clock, **shape: object) -> windows.Windows:
    return windows.Windows(windows.Shape(**({"step": 5, "cap": 8} | shape)), clock)  # type: ignore[arg-type]


def send(of: windows.Windows, count: int, signal: Signal = Signal.ACCEPTED, key: windows.Key = GMAIL) -> None:
    """So many mails, each time as many at once as may start."""
    while count > 0:
        now = min(max(of.room(key), 1), count)
        of.started(key, now)
        for _ in range(now):
            of.ended(key, signal)
        count -= now


def test_a_new_destination_starts_small(clock: Clock) -> None:
    of = made(clock)
    assert of.room(GMAIL) == 2
    of.started(GMAIL)
    assert of.room(GMAIL) == 1
    of.started(GMAIL)
    assert of.room(GMAIL) == 0
    assert of.room(OTHER) == 2


@pytest.mark.parametrize(("accepted", "room"), [(4, 2), (5, 3), (10, 4), (50, 8), (500, 8)])
def test_a_window_opens_by_one_for_so_many_acceptances_up_to_its_cap(clock: Clock, accepted: int, room: int) -> None:
    of = made(clock)
    send(of, accepted)
    assert of.room(GMAIL) == room


def test_a_destination_may_have_a_cap_of_its_own(clock: Clock) -> None:
    of = made(clock, caps={"gmail": 3})
    send(of, 500)
    send(of, 500, key=OTHER)
    assert (of.room(GMAIL), of.room(OTHER)) == (3, 8)


def test_a_window_that_is_not_used_does_not_open(clock: Clock) -> None:
    of = made(clock)
    send(of, 10)
    for _ in range(500):
        of.started(GMAIL)
        of.ended(GMAIL, Signal.ACCEPTED)
    assert of.room(GMAIL) == 4


def test_trouble_halves_a_window_once_for_replies_that_come_together(clock: Clock) -> None:
    of = made(clock)
    send(of, 500)
    of.started(GMAIL, 8)
    for _ in range(8):
        of.ended(GMAIL, Signal.SLOWER)
    assert of.room(GMAIL) == 4
    for room in (2, 1, 1):
        clock.seconds += 2
        send(of, of.room(GMAIL), Signal.SLOWER)
        assert of.room(GMAIL) == room


def test_half_means_half_of_what_was_under_way(clock: Clock) -> None:
    of = made(clock, start=100, cap=100)
    of.started(GMAIL, 6)
    of.ended(GMAIL, Signal.SLOWER)
    assert of.room(GMAIL) == 3 - 5


def test_one_that_took_over_a_place_is_not_counted_twice(clock: Clock) -> None:
    of = made(clock)
    of.started(GMAIL)
    of.ended(GMAIL, Signal.ACCEPTED, leaves=False)
    assert of.room(GMAIL) == 1
    of.ended(GMAIL, Signal.ACCEPTED)
    assert of.room(GMAIL) == 2


def test_mails_under_way_keep_a_smaller_window_shut(clock: Clock) -> None:
    of = made(clock)
    send(of, 500)
    of.started(GMAIL, 8)
    of.ended(GMAIL, Signal.SINGLE)
    assert of.room(GMAIL) == -6


def test_one_connection_is_left_to_who_wants_no_more_and_others_keep_theirs(clock: Clock) -> None:
    of = made(clock)
    send(of, 500)
    send(of, 500, key=OTHER)
    send(of, 8, Signal.SINGLE)
    assert (of.room(GMAIL), of.room(OTHER)) == (1, 8)
    assert of.narrowed() == {GMAIL: 1}


def test_after_trouble_connections_come_back_one_at_a_time(clock: Clock) -> None:
    of = made(clock)
    send(of, 1, Signal.SINGLE)
    send(of, 500)
    assert of.room(GMAIL) == 1
    rooms = []
    for _ in range(3):
        clock.seconds += 15
        send(of, 500)
        rooms.append(of.room(GMAIL))
    assert rooms == [2, 3, 4]
    clock.seconds += 601
    send(of, 500)
    assert of.room(GMAIL) > 4
    assert of.narrowed() == {}


def test_what_is_said_of_an_address_changes_no_window(clock: Clock) -> None:
    of = made(clock)
    send(of, 500, Signal.NEUTRAL)
    assert of.room(GMAIL) == 2


def test_after_a_pause_a_window_is_small_again(clock: Clock) -> None:
    of = made(clock)
    send(of, 500)
    clock.seconds += 299
    assert of.room(GMAIL) == 8
    clock.seconds += 2
    assert of.room(GMAIL) == 2


def test_after_a_pause_old_trouble_is_forgotten_but_not_fresh_trouble(clock: Clock) -> None:
    of = made(clock)
    send(of, 1, Signal.SLOWER)
    send(of, 1, Signal.SINGLE, key=OTHER)
    clock.seconds += 301
    assert (of.room(GMAIL), of.room(OTHER)) == (2, 1)
    clock.seconds += 301
    assert of.room(OTHER) == 2


def test_an_answer_that_takes_long_is_no_pause(clock: Clock) -> None:
    of = made(clock)
    send(of, 500)
    of.started(GMAIL)
    clock.seconds += 400
    assert of.room(GMAIL) == 7


def test_a_forgiven_destination_opens_as_a_new_one(clock: Clock) -> None:
    of = made(clock)
    send(of, 1, Signal.SINGLE)
    of.forgive(GMAIL)
    of.forgive(OTHER)
    assert of.room(GMAIL) == 2
    send(of, 500)
    assert of.room(GMAIL) == 8


def test_windows_at_rest_are_forgotten_and_those_in_use_or_trouble_kept(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(windows, "MOST_KEPT", 4)
    of = made(clock)
    of.started(GMAIL)
    send(of, 1, Signal.SINGLE, key=OTHER)
    for number in range(100):
        send(of, 1, key=("main", f"{number}.example"))
    assert len(of._windows) <= 4
    assert (of.room(GMAIL), of.room(OTHER)) == (1, 1)
