"""What becomes of a Delivery: lost by no 4xx, suppressed only when the address is surely gone."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from digest.outbox import outcomes
from digest.outbox.outcomes import Attempt, Blame, Doubt, GiveUp, Sent, TryAt
from digest.outbox.replies import Reply, Stage
from tests.outbox import test_replies

NOW = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
LAST = NOW + timedelta(hours=72)
MINUTE = timedelta(minutes=1)


def judged(code, text="", stage=Stage.RCPT, *, tries=1, lost=False, give_up_at=LAST, chance=0.0):
    attempt = Attempt(tries=tries, now=NOW, give_up_at=give_up_at)
    return outcomes.judge(Reply(code, text, stage, lost), attempt, random=lambda: chance)


def test_accepted_content_is_sent():
    assert judged(250, "OK queued", Stage.CONTENT) == Sent()


@pytest.mark.parametrize(
    ("code", "text", "lost"),
    [(0, "Connection lost", True), (0, "Timed out", True), (-1, "Malformed", False), (354, "go on", False)],
)
def test_silence_or_gibberish_after_the_content_is_doubt(code, text, lost):
    outcome = judged(code, text, Stage.CONTENT, lost=lost)
    assert isinstance(outcome, Doubt)
    assert text in outcome.reason


@pytest.mark.parametrize("stage", [stage for stage in Stage if stage is not Stage.CONTENT])
def test_a_connection_lost_before_the_content_is_tried_again_without_doubt(stage):
    assert isinstance(judged(0, "Connection lost", stage, lost=True), TryAt)


@pytest.mark.parametrize(("stage", "code", "text", "cause"), test_replies.HEARD)
def test_no_4xx_loses_a_mail_and_no_5xx_comes_again(stage, code, text, cause):
    outcome = judged(code, text, stage)
    refused_for_good = code >= 500 and stage not in (Stage.CONNECT, Stage.AUTH) and code != 530 and "5.7.57" not in text
    assert isinstance(outcome, GiveUp if refused_for_good else TryAt)
    assert outcome.reason.startswith(f"{cause}: ")


@pytest.mark.parametrize(("stage", "code", "text", "cause"), test_replies.HEARD)
def test_only_a_gone_address_is_suppressed(stage, code, text, cause):
    outcome = judged(code, text, stage)
    suppressed = isinstance(outcome, GiveUp) and outcome.suppress
    assert suppressed == (cause is outcomes.Cause.GONE and code >= 500)


@pytest.mark.parametrize(
    ("code", "text", "stage", "blame"),
    [
        (550, "5.1.1 user unknown", Stage.RCPT, Blame.ADDRESS),
        (452, "4.2.2 mailbox full", Stage.RCPT, Blame.ADDRESS),
        (550, "no", Stage.RCPT, Blame.ADDRESS),
        (421, "4.7.28 unusual rate", Stage.CONTENT, Blame.DESTINATION),
        (451, "4.7.1 greylisted", Stage.RCPT, Blame.DESTINATION),
        (550, "5.7.26 unauthenticated", Stage.CONTENT, Blame.DESTINATION),
        (550, "(S3150)", Stage.MAIL, Blame.DESTINATION),
        (554, "5.7.1 spam", Stage.CONTENT, Blame.US),
        (550, "5.4.5 daily limit", Stage.CONTENT, Blame.US),
        (554, "5.7.1 relay access denied", Stage.RCPT, Blame.US),
        (535, "5.7.8 wrong password", Stage.AUTH, Blame.US),
        (421, "too many connections", Stage.CONNECT, Blame.US),
        (0, "Connection refused", Stage.CONNECT, Blame.US),
        (0, "Connection lost", Stage.MAIL, Blame.US),
    ],
)
def test_somebody_is_to_blame(code, text, stage, blame):
    assert judged(code, text, stage).blame is blame


@pytest.mark.parametrize(
    ("code", "text", "stage", "is_miss"),
    [
        (550, "5.1.1 user unknown", Stage.RCPT, True),
        (452, "4.2.2 mailbox full", Stage.CONTENT, True),
        (451, "4.7.1 greylisted", Stage.RCPT, True),
        (550, "no", Stage.CONTENT, True),
        (451, "4.3.0 try later", Stage.MAIL, False),
        (421, "4.7.28 unusual rate", Stage.CONTENT, False),
        (550, "5.7.26 unauthenticated", Stage.CONTENT, False),
        (550, "(S3150)", Stage.RCPT, False),
        (554, "5.7.1 spam", Stage.CONTENT, False),
        (0, "Connection refused", Stage.CONNECT, False),
        (0, "Connection lost", Stage.RCPT, False),
    ],
)
def test_a_miss_is_what_the_readers_side_refused_and_nothing_we_are_disliked_for(code, text, stage, is_miss):
    assert judged(code, text, stage).is_miss is is_miss


def test_an_unknown_address_named_at_mail_is_ours_and_suppresses_nobody():
    outcome = judged(550, "5.1.1 user unknown", Stage.MAIL)
    assert not outcome.suppress


@pytest.mark.parametrize(
    ("code", "text", "waits"),
    [
        (451, "4.3.0 try later", [30, 60, 120, 240, 240]),
        (451, "4.7.1 greylisted", [10, 20, 40, 80, 160]),
        (0, "Connection refused", [2, 4, 8, 16, 32]),
    ],
)
def test_waits_double_up_to_a_ceiling(code, text, waits):
    found = [judged(code, text, tries=tries).at - NOW for tries in range(1, 6)]
    assert found == [wait * MINUTE for wait in waits]


@given(st.integers(-5, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_shorter_than_promised_and_never_endless(tries, chance):
    wait = outcomes.PATIENCE.wait(outcomes.Cause.SYSTEM, tries, chance)
    assert outcomes.PATIENCE.normal <= wait <= outcomes.PATIENCE.longest * 1.25


def test_chance_spreads_a_list_that_was_deferred_at_once():
    assert judged(451, chance=0.0).at < judged(451, chance=0.5).at < judged(451, chance=0.99).at


def test_a_try_after_its_time_is_not_made():
    outcome = judged(451, "4.3.0 try later", give_up_at=NOW + 30 * MINUTE)
    reason = "server trouble: 451 4.3.0 try later"
    assert outcome == GiveUp(reason, Blame.DESTINATION, suppress=False, is_late=True, is_miss=True)
    assert isinstance(judged(451, "4.3.0 try later", give_up_at=NOW + 31 * MINUTE), TryAt)


def test_a_late_gone_looking_deferral_suppresses_nobody():
    assert not judged(450, "4.1.1 user unknown", give_up_at=NOW).suppress


def test_patience_can_be_set():
    patience = outcomes.Patience(normal=5 * MINUTE)
    attempt = Attempt(tries=1, now=NOW, give_up_at=LAST)
    outcome = outcomes.judge(Reply(451, "", Stage.RCPT), attempt, random=lambda: 0.0, patience=patience)
    assert outcome.at == NOW + 5 * MINUTE


def test_a_reason_holds_no_address_and_no_novel():
    outcome = judged(550, "5.1.1 <mia@example.com> unknown " + "x" * 5000)
    assert "mia" not in outcome.reason
    assert len(outcome.reason) <= outcomes.REASON_LIMIT


@given(st.integers(-1, 999), st.text(), st.sampled_from(Stage), st.booleans())
def test_every_reply_has_an_outcome(code, text, stage, lost):
    assert judged(code, text, stage, lost=lost) is not None
