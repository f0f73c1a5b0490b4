"""One line and one count for each attempt, and no address in either."""

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from digest import events, metrics
from digest.outbox import attempts, outcomes, replies
from digest.outbox.outcomes import Blame
from digest.outbox.replies import Reply, Stage
from tests.support import world as worlds

AT = datetime(2026, 11, 2, 6, tzinfo=UTC)
SENT = (Reply(250, "2.0.0 Ok: queued as 4bX", Stage.CONTENT), outcomes.Sent())
GREY = (
    Reply(450, "4.7.1 greylisted <anna@example.org>", Stage.RCPT),
    outcomes.TryAt(AT, Blame.DESTINATION, "greylisted: 450 4.7.1 greylisted <…>"),
)
GONE = (
    Reply(550, "5.1.1 no such user", Stage.RCPT),
    outcomes.GiveUp("no such address: 550 5.1.1 no such user", Blame.ADDRESS, suppress=True),
)
DOUBT = (Reply(0, "connection lost", Stage.CONTENT, lost=True), outcomes.Doubt("no reply to the content: lost"))


def an_attempt(answer: tuple[Reply, outcomes.Outcome] = SENT, **changes: Any) -> attempts.Attempt:
    values = {
        "delivery": 7,
        "edition": 3,
        "publication": 1,
        "subscription": 5,
        "relay": "main",
        "destination": "gmail",
        "tries": 1,
        "reply": answer[0],
        "outcome": answer[1],
        "announce": 0.0123,
        "content": 0.5,
    }
    return attempts.Attempt(**(values | changes))


def logged(caplog: pytest.LogCaptureFixture, *some: attempts.Attempt) -> list[dict[str, Any]]:
    with caplog.at_level(logging.INFO):
        attempts.log(some)
    rows = [record.msg for record in caplog.records if isinstance(record.msg, events.Rows)]
    return [dict(zip(found.keys, row, strict=True)) for found in rows for row in found.rows]


def accepted(destination: str = "gmail", outcome: str = "accepted", relay: str = "main") -> float:
    return metrics.value("digest_attempts_total", relay=relay, destination=destination, outcome=outcome)


def test_an_attempt_is_a_line_with_fixed_keys(caplog: pytest.LogCaptureFixture) -> None:
    [line] = logged(caplog, an_attempt())
    assert line == {
        "delivery": 7,
        "edition": 3,
        "publication": 1,
        "subscription": 5,
        "relay": "main",
        "destination": "gmail",
        "tries": 1,
        "stage": "content",
        "code": 250,
        "enhanced": "2.0.0",
        "outcome": "accepted",
        "reason": "",
        "announce_ms": 12.3,
        "content_ms": 500.0,
    }


@pytest.mark.parametrize(
    ("answer", "outcome", "enhanced", "reason"),
    [
        (GREY, "deferred", "4.7.1", "greylisted"),
        (GONE, "failed", "5.1.1", "no such address"),
        (DOUBT, "doubtful", "", "doubt"),
        ((GREY[0], outcomes.GiveUp("a header of anna@example.org: bad", Blame.US, False)), "failed", "4.7.1", "other"),
        ((Reply(250, "Ok", Stage.CONTENT), outcomes.Sent()), "accepted", "", ""),
        ((Reply(250, "2.0.0", Stage.CONTENT), outcomes.Sent()), "accepted", "2.0.0", ""),
        ((Reply(250, "", Stage.CONTENT), outcomes.Sent()), "accepted", "", ""),
        ((Reply(250, "9.9.9 Ok", Stage.CONTENT), outcomes.Sent()), "accepted", "", ""),
    ],
)
def test_what_a_reply_meant(
    caplog: pytest.LogCaptureFixture,
    answer: tuple[Reply, outcomes.Outcome],
    outcome: str,
    enhanced: str,
    reason: str,
) -> None:
    [line] = logged(caplog, an_attempt(answer, content=None))
    assert (line["outcome"], line["enhanced"], line["reason"]) == (outcome, enhanced, reason)
    assert line["content_ms"] is None
    assert "@" not in json.dumps(line)


def test_every_outcome_has_a_word() -> None:
    assert set(attempts.OUTCOMES) == set(outcomes.Outcome.__args__)


def test_classes_of_trouble_are_those_of_the_replies() -> None:
    for cause in replies.Cause:
        assert attempts.reason_class(outcomes.TryAt(AT, Blame.US, f"{cause}: 450 words")) == cause


def test_attempts_are_counted_by_relay_destination_and_outcome() -> None:
    before, deferred = accepted(), accepted(outcome="deferred")
    attempts.log([an_attempt(), an_attempt(), an_attempt(GREY), an_attempt(destination="other")])
    assert accepted() == before + 2
    assert accepted(outcome="deferred") == deferred + 1


def test_seconds_are_counted_by_stage_where_it_came_to_that() -> None:
    def counts() -> tuple[float, float]:
        name = "digest_attempt_seconds_count"
        return metrics.value(name, stage="announce"), metrics.value(name, stage="content")

    announced, content = counts()
    attempts.log([an_attempt(), an_attempt(GREY, content=None), an_attempt(announce=None, content=None)])
    assert counts() == (announced + 2, content + 1)


def test_only_big_providers_are_named(caplog: pytest.LogCaptureFixture) -> None:
    before = accepted(attempts.OTHER)
    lines = logged(caplog, an_attempt(destination="smith-family.example"), an_attempt(destination="microsoft"))
    assert [line["destination"] for line in lines] == ["other", "microsoft"]
    assert accepted(attempts.OTHER) == before + 1
    assert accepted("smith-family.example") == 0


def test_nothing_is_written_above_the_level_yet_counted(caplog: pytest.LogCaptureFixture) -> None:
    before = accepted()
    with caplog.at_level(logging.WARNING):
        attempts.log([an_attempt()])
    assert (caplog.records, accepted()) == ([], before + 1)


def test_a_turn_without_attempts_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert logged(caplog) == []
    assert caplog.records == []


@pytest.mark.anyio
async def test_what_is_sent_is_told_once_it_is_recorded(world: worlds.World, caplog: pytest.LogCaptureFixture) -> None:
    await world.subscribe("anna@gmail.com")
    await world.subscribe("ben@example.org")
    world.server.answer("rcpt", "450 4.7.1 Greylisted", address="ben@example.org", times=1)
    await world.publish("one")
    with caplog.at_level(logging.INFO, logger="digest.outbox.attempts"):
        await world.run(after=timedelta(days=1))
        await world.run(after=timedelta(hours=1))
    rows = [record.msg for record in caplog.records if isinstance(record.msg, events.Rows)]
    lines = [dict(zip(found.keys, row, strict=True)) for found in rows for row in found.rows]
    told = sorted((line["destination"], line["tries"], line["stage"], line["outcome"]) for line in lines)
    assert told == [
        ("gmail", 1, "content", "accepted"),
        ("other", 1, "rcpt", "deferred"),
        ("other", 2, "content", "accepted"),
    ]
    assert all(line["announce_ms"] > 0 for line in lines)
    assert [line["content_ms"] is None for line in lines] == [line["stage"] == "rcpt" for line in lines]
    assert "@" not in json.dumps(lines)
