"""The operator's own will: now, not at all, or after all."""

from typing import Any

from tests.support.operator import Operator

NOW = ("--now", "2026-11-09T05:00:00Z")


def editions(operator: Operator) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = operator("status", "--json").document["editions"]
    return found


def test_send_now_reaches_readers_of_one_frequency_outside_the_schedule(operator: Operator) -> None:
    operator.begin()
    operator("run", *NOW)
    planned = operator("send-now", "mias-feed", "--frequency", "weekly", *NOW, "--json").document["editions"]
    assert len(planned) == 3
    assert operator("run", *NOW, "--json").document["deliveries"]["sent"] == 3


def test_send_now_to_all(operator: Operator) -> None:
    operator.begin()
    planned = operator("send-now", "mias-feed", *NOW, "--json").document["editions"]
    assert len(planned) == 10


def test_a_frequency_there_is_not(operator: Operator) -> None:
    operator.begin(with_readers=False)
    answer = operator("send-now", "mias-feed", "--frequency", "hourly")
    assert answer.code == 2
    assert "is no frequency" in answer.complaint


def test_a_cancelled_edition_sends_nothing_and_its_articles_come_later(operator: Operator) -> None:
    operator.begin()
    operator("run", *NOW)
    [edition] = operator("send-now", "mias-feed", "--frequency", "monthly", *NOW, "--json").document["editions"]
    assert operator("editions", "cancel", edition).code == 0
    assert operator("run", *NOW, "--json").document["deliveries"]["sent"] == 0
    waiting = operator("explain", "mias-feed", "david.owens@example.org", "--json").document["waiting"]
    assert waiting["count"] == 5


def test_the_flood_breaker_holds_until_the_operator_releases(operator: Operator) -> None:
    operator.set(DIGEST_EDITIONS_FLOOD_READERS="1")
    operator.begin()
    operator("run", *NOW)
    late = ("--now", "2026-11-20T00:00:00Z")
    operator("run", *late)
    held = [edition["id"] for edition in editions(operator) if edition["state"] == "held"]
    assert held
    assert any("digest editions release" in line for line in operator("status", "--json").document["warnings"])
    assert operator("editions", "release", held[0], "--json").document["state"] == "planned"
    assert operator("editions", "release", held[0]).code == 2


def test_an_edition_there_is_not_or_no_longer(operator: Operator) -> None:
    operator.begin()
    assert "there is no edition 77" in operator("editions", "cancel", "77").complaint
    [edition] = operator("send-now", "mias-feed", "--frequency", "monthly", *NOW, "--json").document["editions"]
    operator("run", *NOW)
    answer = operator("editions", "cancel", edition)
    assert answer.code == 2
    assert "is finished" in answer.complaint


def test_what_is_long_over_is_forgotten_and_explained_as_such(operator: Operator) -> None:
    operator.begin()
    operator("run", *NOW)
    operator("run", "--now", "2026-11-10T05:00:00Z")
    reader = "david.owens@example.org"
    before = len(operator("explain", "mias-feed", reader, "--json").document["editions"])
    assert operator("prune", *NOW).out == "Forgotten: 0 deliveries, 0 batches, 0 editions, 0 selections, 0 pictures.\n"
    later = ("--now", "2027-03-01T05:00:00Z")
    pruned = operator("prune", *later, "--json").document
    assert pruned["deliveries"] > 0
    assert operator("prune", *later, "--json").document["deliveries"] == 0
    told = operator("explain", "mias-feed", reader, *later, "--json").document["editions"]
    assert len(told) <= before
    assert {entry["reason"] for entry in told if entry["delivery"] is None} <= {"mails of that time are no longer kept"}


def test_retention_of_0_days_is_for_ever(operator: Operator) -> None:
    operator.set(DIGEST_RETENTION_DELIVERIES_DAYS="0")
    operator.begin()
    operator("run", *NOW)
    pruned = operator("prune", "--now", "2036-01-01T00:00:00Z", "--json").document
    assert set(pruned.values()) == {0}
