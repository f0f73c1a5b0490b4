"""Readers by command: in, out, and forgotten."""

import csv
import io
import stat

from tests.support.operator import READERS, Operator

LIST = """email,name,frequency,timezone,send_at,weekday,topics,locale
good@example.org,Good,daily,Europe/Paris,07:00,,,en
not-an-address,Bad,daily,Europe/Paris,07:00,,,en
zone@example.org,Zone,daily,Europe/Pari,07:00,,,en
pace@example.org,Pace,hourly,,,,,
topic@example.org,Topic,daily,,,,astrology,
"""


def readers(operator: Operator) -> dict[str, dict[str, str]]:
    found = csv.DictReader(io.StringIO(operator("subscribers", "export", "mias-feed").out))
    return {row["email"]: row for row in found}


def test_bad_rows_are_told_with_line_and_reason_and_good_ones_imported(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.file("list.csv", LIST)
    answer = operator("subscribers", "import", "mias-feed", path, "--confirmed")
    assert answer.code == 0
    assert answer.out == "1 imported, 0 updated, 0 unchanged, 4 not imported\n"
    told = [line.split(maxsplit=1) for line in answer.err.splitlines()[1:]]
    assert [line for line, _ in told] == ["3", "4", "5", "6"]
    assert "did you mean Europe/Paris" in told[1][1]
    assert list(readers(operator)) == ["good@example.org"]


def test_the_report_is_one_document(operator: Operator) -> None:
    operator.begin(with_readers=False)
    answer = operator("subscribers", "import", "mias-feed", operator.file("list.csv", LIST), "--confirmed", "--json")
    assert (answer.document["imported"], answer.err) == (1, "")
    assert [row["line"] for row in answer.document["refused"]] == [3, 4, 5, 6]


def test_who_has_not_confirmed_gets_nothing_and_the_operator_is_told(operator: Operator) -> None:
    operator.begin(with_readers=False)
    answer = operator("subscribers", "import", "mias-feed", READERS)
    assert "--confirmed" in answer.out
    assert {row["state"] for row in readers(operator).values()} == {"pending"}
    assert operator("run", "--json", "--now", "2026-11-16T12:00:00Z").document["deliveries"]["sent"] == 0


def test_those_asked_get_one_request_each(operator: Operator) -> None:
    operator.begin(with_readers=False)
    operator("subscribers", "import", "mias-feed", READERS, "--ask")
    assert operator("run", "--json").document["deliveries"]["sent"] == 10
    assert operator("run", "--json").document["deliveries"]["sent"] == 0


def test_an_export_imports_again_without_a_change(operator: Operator) -> None:
    operator.begin()
    path = operator.home / "export.csv"
    assert operator("subscribers", "export", "mias-feed", "--out", path).complaint.startswith("digest: 10 readers")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    again = operator("subscribers", "import", "mias-feed", path, "--confirmed", "--json").document
    assert (again["unchanged"], again["refused"]) == (10, [])


def test_a_failed_export_leaves_no_half_file(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.home / "export.csv"
    assert operator("subscribers", "export", "no-such", "--out", path).code == 2
    assert operator("subscribers", "export", "mias-feed", "--out", operator.home / "no" / "folder.csv").code == 1
    assert not list(operator.home.glob("*export*"))


def test_an_erased_reader_does_not_come_back(operator: Operator) -> None:
    operator.begin()
    assert operator("subscribers", "erase", "Anna.Berg@Example.org", "--json").document == {"erased": True}
    assert operator("subscribers", "erase", "anna.berg@example.org", "--json").document == {"erased": False}
    again = operator("subscribers", "import", "mias-feed", READERS, "--confirmed", "--json").document
    assert [row["line"] for row in again["refused"]] == [2]
    assert "anna.berg@example.org" not in readers(operator)


def test_an_unsubscribed_reader_is_not_revived(operator: Operator) -> None:
    operator.begin()
    assert operator("subscribers", "unsubscribe", "mias-feed", "anna.berg@example.org").out == "Unsubscribed.\n"
    assert operator("subscribers", "unsubscribe", "mias-feed", "anna.berg@example.org").out.startswith("Had ")
    again = operator("subscribers", "import", "mias-feed", READERS, "--confirmed", "--json").document
    assert [row["line"] for row in again["refused"]] == [2]
    assert readers(operator)["anna.berg@example.org"]["state"] == "unsubscribed"


def test_suppression_comes_and_goes(operator: Operator) -> None:
    operator.begin(with_readers=False)
    document = [
        operator("subscribers", verb, "anna.berg@example.org", "--json").document
        for verb in ("suppress", "suppress", "unsuppress", "unsuppress")
    ]
    assert document == [{"suppressed": True}, {"suppressed": False}, {"unsuppressed": True}, {"unsuppressed": False}]


def test_unknown_readers_are_a_mistake(operator: Operator) -> None:
    operator.begin(with_readers=False)
    answer = operator("subscribers", "unsubscribe", "mias-feed", "nobody@example.org")
    assert answer.code == 2
    assert "has never subscribed to mias-feed" in answer.complaint
