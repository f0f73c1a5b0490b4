"""The rules at hand-over, one table for each kind of mail."""

import dataclasses
from datetime import UTC, date, datetime, timedelta

import pytest

from digest.audience.models import SubscriptionState as State
from digest.editions import choose
from digest.outbox import handover
from digest.outbox.handover import Mail, Occasion, Reader, Stop, Wait
from digest.outbox.models import DeliveryState

NOW = datetime(2026, 11, 2, 8, 0, tzinfo=UTC)
TODAY, MINUTE = NOW.date(), timedelta(minutes=1)
LONG_AGO = NOW - timedelta(hours=72)

MAIL = Mail("digest", is_doubtful=False, doubts=0, created_at=NOW)
READER = Reader(State.ACTIVE, 1, None, None, None, is_suppressed=False, has_mail_in_flight=False)
OCCASION = Occasion(1, TODAY, is_instant=False, planned_at=NOW, is_cancelled=False, is_overtaken=False)
INSTANT = dataclasses.replace(OCCASION, local_date=None, is_instant=True)
SEND_NOW = dataclasses.replace(OCCASION, local_date=None)


def objection(mail=MAIL, reader=READER, occasion=OCCASION, **changes):
    found = handover.objection(mail, dataclasses.replace(reader, **changes), occasion, NOW)
    return found.state.value if isinstance(found, Stop) else found


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, None),
        ({"state": State.UNSUBSCRIBED}, "withheld"),
        ({"state": State.PENDING}, "withheld"),
        ({"state": State.FAILING}, "withheld"),
        ({"is_suppressed": True}, "withheld"),
        ({"paused_until": NOW + MINUTE}, "withheld"),
        ({"paused_until": NOW}, None),
        ({"cadence_id": 2}, "withheld"),
        ({"last_date": TODAY}, "withheld"),
        ({"last_date": TODAY + timedelta(days=1)}, "withheld"),  # in a zone further east
        ({"last_date": TODAY - timedelta(days=1)}, None),
        ({"last_instant_at": NOW}, None),  # counts for `instant` only
    ],
)
def test_a_digest_asks_the_reader_again(changes, state):
    assert objection(**changes) == state


@pytest.mark.parametrize(
    ("occasion", "state"),
    [
        ({"is_cancelled": True}, "rolled"),
        ({"is_overtaken": True}, "rolled"),
        ({"planned_at": LONG_AGO}, "rolled"),
        ({"planned_at": LONG_AGO + MINUTE}, None),
    ],
)
def test_a_digest_that_has_outlived_its_time_rolls(occasion, state):
    assert objection(occasion=dataclasses.replace(OCCASION, **occasion)) == state


def test_who_has_left_is_told_apart_from_a_digest_that_rolls():
    overtaken = dataclasses.replace(OCCASION, is_overtaken=True)
    assert objection(occasion=overtaken, state=State.UNSUBSCRIBED) == "withheld"
    assert objection(occasion=overtaken, has_mail_in_flight=True) == "rolled"


def test_a_later_digest_waits_for_the_one_in_flight():
    found = objection(has_mail_in_flight=True)
    assert isinstance(found, Wait)
    assert NOW < found.until <= NOW + 2 * MINUTE


@pytest.mark.parametrize("occasion", [INSTANT, SEND_NOW])
def test_instant_and_send_now_heed_no_date(occasion):
    assert objection(occasion=occasion, last_date=date(2027, 1, 1)) is None


@pytest.mark.parametrize(
    ("occasion", "ago", "waits"),
    [(INSTANT, 0, 30), (INSTANT, 29, 1), (INSTANT, 30, None), (INSTANT, 31, None), (SEND_NOW, 0, None)],
)
def test_instant_comes_at_most_every_half_hour(occasion, ago, waits):
    found = objection(occasion=occasion, last_instant_at=NOW - ago * MINUTE)
    assert (found and found.until - NOW) == (waits and waits * MINUTE)


DOUBTFUL = Mail("digest", is_doubtful=True, doubts=1, created_at=LONG_AGO)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, None),
        ({"cadence_id": 2}, None),  # asks only whether we still may mail
        ({"last_date": TODAY}, None),
        ({"state": State.UNSUBSCRIBED}, "withheld"),
        ({"paused_until": NOW + MINUTE}, "withheld"),
        ({"is_suppressed": True}, "withheld"),
    ],
)
def test_a_doubtful_digest_asks_only_whether_we_still_may(changes, state):
    assert objection(DOUBTFUL, **changes) == state


@pytest.mark.parametrize("occasion", [{"is_overtaken": True}, {"planned_at": LONG_AGO}, {"is_cancelled": True}])
def test_a_doubtful_digest_is_never_rolled_by_a_new_edition_or_time(occasion):
    assert objection(DOUBTFUL, occasion=dataclasses.replace(OCCASION, **occasion)) is None


@pytest.mark.parametrize(
    ("doubts", "minutes"),
    [(1, 1), (2, 4), (3, None), (4, None)],
)
def test_a_doubtful_digest_is_repeated_twice_at_most_after_ever_longer_pauses(doubts, minutes):
    expected = NOW + minutes * MINUTE if minutes else None
    assert handover.resend_at(doubts, NOW) == expected


def test_whom_the_operator_sends_again_is_not_held_back_by_the_count():
    assert objection(dataclasses.replace(DOUBTFUL, doubts=7)) is None


@pytest.mark.parametrize(
    ("kind", "state", "ends_as"),
    [
        ("confirm", State.PENDING, None),
        ("confirm", State.FAILING, None),
        ("confirm", State.ACTIVE, "withheld"),
        ("confirm", State.UNSUBSCRIBED, "withheld"),
        ("welcome", State.ACTIVE, None),
        ("welcome", State.UNSUBSCRIBED, "withheld"),
        ("goodbye", State.UNSUBSCRIBED, None),
        ("goodbye", State.ACTIVE, "withheld"),  # undone meanwhile
        ("manage", State.UNSUBSCRIBED, None),
        ("manage", State.PENDING, None),
        ("moving", State.FAILING, None),
        ("address", State.ACTIVE, None),
        ("address", State.UNSUBSCRIBED, "withheld"),
        ("taken", State.ACTIVE, None),
    ],
)
def test_a_notice_goes_to_whom_it_still_concerns(kind, state, ends_as):
    assert objection(dataclasses.replace(MAIL, kind=kind), occasion=None, state=state) == ends_as


WELCOME = dataclasses.replace(MAIL, kind="welcome")


@pytest.mark.parametrize(
    ("mail", "changes", "state"),
    [
        (WELCOME, {"paused_until": NOW + MINUTE}, None),  # a pause is one of digests
        (WELCOME, {"is_suppressed": True}, "withheld"),
        (dataclasses.replace(WELCOME, created_at=LONG_AGO), {}, "failed"),
        (dataclasses.replace(WELCOME, is_doubtful=True, doubts=2), {}, None),
        (dataclasses.replace(WELCOME, is_doubtful=True, doubts=3), {}, "failed"),
    ],
)
def test_a_notice_has_its_limits_too(mail, changes, state):
    assert objection(mail, occasion=None, **changes) == state


def test_a_notice_waits_for_the_mail_in_flight_for_the_schema_allows_no_second():
    assert isinstance(objection(WELCOME, occasion=None, has_mail_in_flight=True), Wait)


@pytest.mark.parametrize(
    ("verdict", "state"),
    [
        (choose.Nothing(), DeliveryState.EMPTY),
        (choose.Waiting(NOW), DeliveryState.ROLLED),
        (choose.Chosen((), (), ()), None),
    ],
)
def test_a_choice_that_is_no_digest(verdict, state):
    found = handover.conclude(verdict)
    assert (found and found.state) == state
