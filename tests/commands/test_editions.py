"""Single Editions by the operator's hand: seen, paused, resumed, called off."""

from typing import Any

from tests.support.operator import Operator

NOW = ("--now", "2026-11-09T05:00:00Z")


def planned(operator: Operator) -> int:
    """An Edition for three weekly readers that the next run sends."""
    operator.begin()
    operator("run", *NOW)
    document = operator("send-now", "mias-feed", "--frequency", "weekly", *NOW, "--json").document
    return int(document["editions"][0])


def shown(operator: Operator, edition: int) -> dict[str, Any]:
    found = operator("editions", "list", "--json").document["editions"]
    [entry] = [one for one in found if one["id"] == edition]
    return dict(entry)


def test_before_the_first_there_is_nothing_to_list(operator: Operator) -> None:
    assert operator("editions", "list").out == "no editions yet\n"


def test_the_list_counts_what_became_of_the_mails(operator: Operator) -> None:
    edition = planned(operator)
    operator("run", *NOW)
    assert shown(operator, edition)["deliveries"] == {"sent": 1}
    lines = operator("editions", "list", "--limit", "1").out.splitlines()
    assert len(lines) == 2
    assert lines[1].endswith("finished  1 sent")


def test_paused_nothing_of_it_leaves_until_it_is_resumed(operator: Operator) -> None:
    edition = planned(operator)
    answer = operator("editions", "pause", edition, *NOW)
    assert (answer.code, answer.err) == (0, "")
    assert f"digest editions resume {edition}" in answer.out
    assert operator("run", *NOW, "--json").document["deliveries"]["sent"] == 2
    assert "paused since 2026-11-09 05:00" in operator("editions", "list").out
    status = operator("status", "--json").document
    assert f"edition {edition} is paused; go on with: digest editions resume {edition}" in status["warnings"]
    assert operator("editions", "resume", edition, *NOW, "--json").document["changed"] is True
    assert operator("run", *NOW, "--json").document["deliveries"]["sent"] == 1


def test_asked_twice_it_says_so_and_does_nothing(operator: Operator) -> None:
    edition = planned(operator)
    for verb, first in (("pause", True), ("pause", False), ("resume", True), ("resume", False), ("cancel", True)):
        assert operator("editions", verb, edition, *NOW, "--json").document["changed"] is first
    answer = operator("editions", "cancel", edition, *NOW)
    assert (answer.code, answer.out.splitlines()[0]) == (
        0,
        f"Edition {edition} was cancelled already; its articles come with the next one.",
    )


def test_a_cancelled_one_says_what_became_of_its_mails(operator: Operator) -> None:
    edition = planned(operator)
    operator("editions", "pause", edition, *NOW)
    operator("run", *NOW)
    document = operator("editions", "cancel", edition, *NOW, "--json").document
    assert (document["rolled"], document["deliveries"]) == (1, {"rolled": 1})
    assert shown(operator, edition)["state"] == "cancelled"
    for verb in ("pause", "resume", "release"):
        answer = operator("editions", verb, edition)
        assert answer.code == 2
        assert f"edition {edition} is cancelled, and only one that is" in answer.complaint
