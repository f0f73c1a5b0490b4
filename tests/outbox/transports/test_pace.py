"""How a relay's mood changes how many lines it gets."""

import pytest

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import pace
from digest.outbox.transports.pace import Pace

DOWN = Reply(0, "connection refused", Stage.CONNECT, lost=True)
TOO_MANY = Reply(421, "4.7.0 too many connections", Stage.CONNECT)


def test_more_lines_are_opened_at_once_as_they_come_up_and_one_after_a_failure():
    mood = Pace(100)
    assert mood.at_once == 2
    for _ in range(10):
        mood.connected()
    assert mood.at_once == 8
    mood.failed(DOWN, 0.0, 5, 0.0)
    assert mood.at_once == 1


def test_rests_double_up_to_ten_seconds_and_end_with_a_success():
    mood, now, rests = Pace(10), 100.0, []
    for _ in range(8):
        mood.failed(DOWN, now, 0, 0.0)
        rests.append(mood.rests_until - now)
        now = mood.rests_until
    assert rests == [0.5, 1, 2, 4, 8, 10, 10, 10]
    assert mood.trouble == DOWN
    mood.connected()
    assert (mood.rests_until, mood.failures, mood.trouble) == (0, 0, None)


def test_chance_shortens_a_rest_by_up_to_a_half():
    mood = Pace(10)
    mood.failed(DOWN, 0.0, 0, 0.999)
    assert 0.25 <= mood.rests_until < 0.26


def test_connects_that_failed_together_are_one_failure():
    mood = Pace(10)
    for _ in range(5):
        mood.failed(DOWN, 10.0, 0, 0.0)
    assert (mood.failures, mood.rests_until) == (1, 10.5)


@pytest.mark.parametrize(
    ("lines", "allowed"),
    [(15, 8), (10, 5), (9, 5), (3, 2), (1, 1), (0, 16)],
)
def test_too_many_halves_what_was_there(lines, allowed):
    mood = Pace(16)
    mood.failed(TOO_MANY, 0.0, lines, 0.0)
    assert mood.allowed == allowed


def test_a_burst_halves_once_and_the_next_again():
    mood = Pace(16)
    for now in (0.0, 0.1, 2.0):
        mood.failed(TOO_MANY, now, 15, 0.0)
    assert mood.allowed == 8
    mood.failed(TOO_MANY, 6.0, 8, 0.0)
    assert mood.allowed == 4


def test_what_was_lost_comes_back_fast_up_to_a_half_and_then_one_by_one():
    mood = Pace(12)
    for now in (0.0, 6.0, 12.0):
        mood.failed(TOO_MANY, now, 11, 0.0)
    allowed = []
    for now in range(12, 132, 10):
        mood.grow(float(now))
        allowed.append(mood.allowed)
    assert allowed == [1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 12, 12]


@pytest.mark.parametrize(
    ("reply", "is_too_many"),
    [
        (TOO_MANY, True),
        (Reply(421, "4.3.2 not now", Stage.CONNECT), True),
        (Reply(450, "4.7.0 Too many concurrent SMTP connections", Stage.MAIL), True),
        (Reply(554, "5.7.1 reached maximum connections", Stage.CONNECT), True),
        (Reply(554, "5.7.1 your address is listed at spamhaus", Stage.CONNECT), False),
        (Reply(535, "5.7.8 wrong password", Stage.AUTH), False),
        (DOWN, False),
    ],
)
def test_which_replies_ask_for_fewer_lines(reply, is_too_many):
    assert pace.is_too_many(reply) == is_too_many


@pytest.mark.parametrize(
    ("total", "wishes", "dealt"),
    [
        (16, [(1, 16)], [16]),
        (16, [(1, 10)], [10]),
        (16, [(1, 16), (1, 16)], [8, 8]),
        (16, [(3, 16), (1, 16)], [12, 4]),
        (16, [(3, 6), (1, 16)], [6, 10]),
        (16, [(1, 2), (1, 3), (1, 50)], [2, 3, 11]),
        (10, [(100, 20), (1, 20)], [9, 1]),
        (1, [(1, 5), (1, 5)], [1, 1]),
        (5, [], []),
    ],
)
def test_lines_are_dealt_by_weight_within_limits(total, wishes, dealt):
    assert pace.shares(total, wishes) == dealt
