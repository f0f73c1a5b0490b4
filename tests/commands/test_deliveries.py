"""Mails in doubt by the operator's hand."""

from typing import Any

import pytest

from tests.support.operator import Operator

NOW = ("--now", "2026-11-09T05:00:00Z")
IN_DOUBT = (
    "UPDATE deliveries SET state = 'doubtful', doubts = 3, retry_at = NULL, batch_id = NULL, finished_at = NULL, "
    "reason = 'no reply' WHERE id = (SELECT max(id) FROM deliveries)"
)


@pytest.fixture
def doubtful(operator: Operator, db_url: str) -> dict[str, Any]:
    operator.begin()
    operator("run", *NOW)
    operator.behind_the_back(db_url, IN_DOUBT)
    [entry] = operator("deliveries", "doubtful", "--json").document["deliveries"]
    return dict(entry)


def test_nothing_is_in_doubt(operator: Operator) -> None:
    assert operator("deliveries", "doubtful").out == "nothing is in doubt\n"


def test_what_is_held_is_shown_wherever_one_looks(operator: Operator, doubtful: dict[str, Any]) -> None:
    assert (doubtful["held"], doubtful["doubts"], doubtful["reason"]) == (True, 3, "no reply")
    line = operator("deliveries", "doubtful").out.splitlines()[1]
    assert doubtful["email"] in line
    assert "held" in line
    [warning] = [line for line in operator("status", "--json").document["warnings"] if "in doubt" in line]
    assert warning.startswith("1 mails are in doubt (sent, but no answer was recorded), 1 of them held")
    told = operator("explain", "mias-feed", doubtful["email"]).out
    assert f"digest deliveries resolve {doubtful['id']}" in told


@pytest.mark.parametrize(("word", "state"), [("--sent", "sent"), ("--roll", "rolled"), ("--resend", "sent")])
def test_one_word_of_the_operators_settles_it(
    operator: Operator, doubtful: dict[str, Any], word: str, state: str
) -> None:
    document = operator("deliveries", "resolve", doubtful["id"], word, *NOW, "--json").document
    assert document == {"delivery": doubtful["id"], "resolved": word.removeprefix("--")}
    operator("run", *NOW)
    assert operator("deliveries", "doubtful", "--json").document["deliveries"] == []
    entries = operator("explain", "mias-feed", doubtful["email"], "--json").document["editions"]
    assert [one["state"] for one in entries if one["delivery"] == doubtful["id"]] == [state]


@pytest.mark.parametrize("words", [(), ("--sent", "--roll")])
def test_it_has_to_be_exactly_one_word(operator: Operator, words: tuple[str, ...]) -> None:
    answer = operator("deliveries", "resolve", 1, *words)
    assert answer.code == 2
    assert "say exactly one of --sent, --resend, --roll" in answer.err


def test_a_mail_there_is_not_or_in_no_doubt(operator: Operator, doubtful: dict[str, Any]) -> None:
    assert "there is no digest with the number 999" in operator("deliveries", "resolve", 999, "--sent").complaint
    operator("deliveries", "resolve", doubtful["id"], "--sent")
    assert "is sent, not in doubt" in operator("deliveries", "resolve", doubtful["id"], "--roll").complaint
