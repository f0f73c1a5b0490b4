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


def test_a_dry_run_tells_what_an_import_would_do(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.file("list.csv", LIST)
    answer = operator("subscribers", "import", "mias-feed", path, "--confirmed", "--dry-run")
    assert answer.out == "dry run, nothing is changed: 1 imported, 0 updated, 0 unchanged, 4 not imported\n"
    assert readers(operator) == {}


LISTMONK = (
    "uuid,email,name,attributes,status,created_at,updated_at\n"
    "1,ann@example.org,Ann,{},enabled,2021-03-04 05:06:07 +0000 UTC,2022-01-01 00:00:00.5 +0000 UTC\n"
    "2,bob@example.org,Bob,{},blocklisted,2021-03-04 05:06:07 +0000 UTC,2022-01-01 00:00:00.5 +0000 UTC\n"
    "3,cat@example.org,Cat,{},disabled,2021-03-04 05:06:07 +0000 UTC,2022-01-01 00:00:00.5 +0000 UTC\n"
)


def test_an_export_of_another_sender_comes_in_as_it_is(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.file("listmonk.csv", LISTMONK)
    answer = operator("subscribers", "import", "mias-feed", path, "--confirmed", "--seen-until", "2026-11-01")
    assert answer.out == (
        "1 imported, 0 updated, 0 unchanged, 0 not imported; not mailed: 1 who left before, 1 suppressed\n"
    )
    found = readers(operator)
    assert {email: row["state"] for email, row in found.items()} == {
        "ann@example.org": "active",
        "cat@example.org": "unsubscribed",
    }
    assert found["ann@example.org"]["consented_at"] == "2021-03-04T05:06:07+00:00"


def test_who_left_the_list_is_kept_as_such_if_the_operator_says_so(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.file("listmonk.csv", LISTMONK)
    answer = operator("subscribers", "import", "mias-feed", path, "--confirmed", "--as", "unsubscribed")
    assert answer.out == (
        "0 imported, 0 updated, 0 unchanged, 0 not imported; not mailed: 2 who left before, 1 suppressed\n"
    )
    assert answer.err == ""
    assert {row["state"] for row in readers(operator).values()} == {"unsubscribed"}
    answer = operator("subscribers", "import", "mias-feed", path, "--as", "asleep")
    assert (answer.code, "Invalid value for '--as': 'asleep' is not one of 'active'" in answer.err) == (2, True)


def test_the_operator_is_told_what_a_listmonk_export_does_not_tell(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.file("listmonk.csv", LISTMONK)
    for more, is_told in (("--confirmed",), True), (("--confirmed", "--as", "active"), False), ((), False):
        answer = operator("subscribers", "import", "mias-feed", path, "--dry-run", "--json", *more)
        assert answer.document["suppressed"] == 1
        assert ("does not tell who left the list" in answer.err) is is_told


def test_an_import_names_only_those_not_mailed_whom_there_are(operator: Operator) -> None:
    operator.begin(with_readers=False)
    text = "email,active_subscription,expiry,email_disabled\nann@example.org,false,,true\n"
    path = operator.file("substack.csv", text)
    answer = operator("subscribers", "import", "mias-feed", path, "--confirmed")
    assert answer.out == "0 imported, 0 updated, 0 unchanged, 0 not imported; not mailed: 1 who left before\n"


def test_a_long_list_of_mistakes_is_cut_on_screen_and_whole_in_the_report(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path, report = operator.file("list.csv", "email\n" + "nonsense\n" * 60), operator.home / "report.csv"
    answer = operator("subscribers", "import", "mias-feed", path, "--report", report)
    assert answer.err.count("nonsense") == 50
    assert f"and 10 more; all of them: {report}" in answer.err
    found = list(csv.DictReader(io.StringIO(report.read_text())))
    assert [row["line"] for row in found] == [str(line) for line in range(2, 62)]
    assert "not a usable e-mail address" in found[0]["reason"]


def test_a_date_that_is_none_and_a_report_that_cannot_be_written_are_told(operator: Operator) -> None:
    operator.begin(with_readers=False)
    path = operator.file("list.csv", LIST)
    for more, says in (
        (("--seen-until", "soon"), "'soon' is no date"),
        (("--report", operator.home / "none" / "report.csv"), "cannot write"),
    ):
        answer = operator("subscribers", "import", "mias-feed", path, *more)
        assert (answer.code, says in answer.complaint) == (2, True)
        assert readers(operator) == {}


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


def test_the_api_keeps_no_answer_that_names_an_erased_reader(operator: Operator, db_url: str) -> None:
    operator.begin()
    operator("keys", "new", "website", "--scope", "subscribers:write")
    for name, address in (("a", "anna.berg@example.org"), ("b", "somebody.else@example.org")):
        operator.behind_the_back(
            db_url,
            "INSERT INTO api_answers (key_id, name, request_hash, status, headers, body, created_at) VALUES "
            f"(1, '{name}', 'x', 200, '{{}}', '{{\"email\": \"{address}\"}}', '2026-11-09 04:00:00')",
        )
    operator("subscribers", "erase", "Anna.Berg@example.org")
    kept = str(operator.everything(db_url)["api_answers"])
    assert ("somebody.else" in kept, "anna.berg" in kept) == (True, False)


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


def test_why_readers_left_is_counted_whoever_ended_it(operator: Operator) -> None:
    operator.begin()
    assert operator("subscribers", "reasons", "mias-feed").out == "nobody left mias-feed in the last 30 days\n"
    gone = next(iter(readers(operator)))
    operator("subscribers", "unsubscribe", "mias-feed", gone)
    told = operator("subscribers", "reasons", "mias-feed").out.splitlines()
    assert [line.split() for line in told] == [["reason", "readers"], ["(did", "not", "say)", "1"]]
    document = operator("subscribers", "reasons", "mias-feed", "--days", "7", "--json").document
    assert document == {"publication": "mias-feed", "days": 7, "left": 1, "reasons": {"": 1}}
