"""Losses and repeats are counted from ledgers, and excused only by what was hurt."""

from typing import Any

import pytest
from chaos_count import Blow, Ledger, judge

READERS = frozenset({"anna@example.org", "ben@example.org"})


def kept(connection: str, at: float, reader: str, *, kind: str = "kept", **changes: str) -> str:
    """A line about one mail; `at` is when its content had come."""
    fields = {"message_id": f"<{reader}>", "answer": "250", "is_sound": "1"} | changes
    instants = f"{at - 0.01}\t{at}\t{at}"
    return "\t".join([kind, connection, instants, f"{reader}@example.org", *fields.values()])


def opened(connection: str, name: str = "node-1", at: float = 0.0) -> list[str]:
    return [f"open\t{connection}\t{at}", f"helo\t{connection}\t{name}"]


def judged(*lines: str, blows: tuple[Blow, ...] = (), more: tuple[str, ...] = ()) -> dict[str, Any]:
    ledger = Ledger()
    ledger.read("relay", [*opened("1"), *opened("2", "node-2"), *lines])
    ledger.read("other", more)
    return judge(ledger, READERS, blows)


def broken(*lines: str, **also: Any) -> list[str]:
    found: list[str] = judged(*lines, **also)["broken"]
    return found


BOTH = (kept("1", 1, "anna"), kept("2", 1, "ben"))
KILL = Blow("kill", "node-1", 2, 2.1, back_at=3)


def test_one_mail_each_keeps_all_promises() -> None:
    assert broken(*BOTH) == []


def test_who_got_nothing_is_lost_and_who_left_is_not() -> None:
    assert broken(kept("1", 1, "anna")) == ["1 lost"]
    assert broken(kept("1", 1, "anna"), kept("2", 1, "ben", kind="gone", answer="drop")) == ["1 lost"]
    ledger = Ledger()
    ledger.read("relay", [*opened("1"), kept("1", 1, "anna")])
    assert judge(ledger, READERS, (), {"ben@example.org"})["broken"] == []


def test_a_repeat_is_broken_unless_something_excuses_it() -> None:
    assert broken(*BOTH, kept("2", 4, "anna")) == ["1 duplicated"]


@pytest.mark.parametrize(
    "blow",
    [KILL, Blow("kill relay", "relay", 2, 2.1), Blow("crash database", "", 2, 2.1)],
    ids=lambda blow: blow.what,
)
def test_a_kill_excuses_one_repeat_for_each_connection_it_cut(blow: Blow) -> None:
    found = judged(*BOTH, *opened("3", at=3), kept("3", 4, "anna"), blows=(blow,))
    assert (found["duplicated"], found["unexcused"], found["broken"]) == (1, 0, [])


def test_a_kill_excuses_nothing_on_connections_of_others() -> None:
    assert judged(*BOTH, blows=(KILL,))["allowed"]["connections_open_at_kills"] == 1
    found = judged(*BOTH, kept("1", 4, "ben"), kept("1", 5, "anna"), blows=(KILL,))
    assert (found["duplicated"], found["broken"]) == (2, ["2 duplicated"])


def test_connections_that_ended_before_a_kill_excuse_nothing() -> None:
    assert broken(*BOTH, "shut\t1\t1.5", kept("2", 4, "anna"), blows=(KILL,)) == ["1 duplicated"]


def test_connections_a_killed_relay_could_not_close_are_not_open_at_the_next_kill() -> None:
    blows = (Blow("kill relay", "relay", 2, 2.1), Blow("crash database", "", 5, 5.1))
    assert judged(*BOTH, blows=blows)["allowed"]["connections_open_at_kills"] == 2


def test_only_the_last_mail_on_a_connection_is_excused_by_a_kill() -> None:
    found = judged(kept("1", 1, "anna"), kept("1", 1.5, "ben"), kept("2", 4, "anna"), blows=(KILL,))
    assert found["unexcused"] == 1


def test_asking_to_end_excuses_nothing() -> None:
    gentle = Blow("end", "node-1", 2, 2.1, is_gentle=True)
    assert broken(*BOTH, kept("2", 4, "anna"), blows=(gentle,)) == ["1 duplicated"]


@pytest.mark.parametrize("answer", ["drop", "stall", "garbage"])
@pytest.mark.parametrize("kind", ["kept", "gone"])
def test_a_mail_whose_sender_was_not_answered_may_come_again(kind: str, answer: str) -> None:
    assert broken(kept("1", 1, "anna", kind=kind, answer=answer), kept("2", 1, "ben"), kept("2", 4, "anna")) == []


def test_no_mail_comes_more_than_three_times() -> None:
    lost = [kept("1", at, "anna", kind="gone", answer="drop") for at in (1, 2, 3)]
    assert broken(*lost, kept("1", 4, "anna"), kept("2", 1, "ben")) == ["4 copies of one mail"]


def test_copies_differ_in_nothing_and_take_one_way() -> None:
    doubt = kept("1", 1, "anna", answer="drop")
    assert broken(doubt, kept("2", 1, "ben"), kept("2", 4, "anna", message_id="<x>")) == ["1 other message id"]
    more = (*opened("9"), kept("9", 4, "anna"))
    assert broken(doubt, kept("2", 1, "ben"), more=more) == ["1 other relay"]


def test_what_was_cut_off_or_spoken_wrongly_is_told() -> None:
    assert broken(kept("1", 1, "anna", is_sound="0"), kept("2", 1, "ben")) == ["1 unsound"]
    assert broken(*BOTH, "odd\t1\tMAIL within a transaction") == ["{'MAIL within a transaction': 1} spoken wrongly"]


def test_resuming_is_counted_from_the_restart_to_the_first_mail() -> None:
    found = judged(kept("1", 1, "anna"), kept("2", 7.5, "ben"), blows=(KILL,))
    assert found["resumed_after_seconds"] == {"median": 4.5, "longest": 4.5}
    again = Blow("kill", "node-2", 5, 5.1, back_at=6)
    found = judged(kept("1", 1, "anna"), kept("2", 7.5, "ben"), blows=(KILL, again))
    assert found["resumed_after_seconds"] == {"median": 1.5, "longest": 1.5}


def test_resuming_is_not_counted_when_hardly_anybody_waits() -> None:
    assert judged(*BOTH, kept("2", 7.5, "ben"), blows=(KILL,))["resumed_after_seconds"] == {}
