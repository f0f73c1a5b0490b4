"""The days ahead, played on a copy."""

from typing import Any

import pytest

from tests.support.operator import Operator

SPAN = ("--from", "2026-11-09T05:00:00Z", "--to", "2026-11-17T00:00:00Z")


def told(document: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((mail["email"], mail["frequency"]) for mail in document["mails"])


def test_it_changes_nothing(operator: Operator, db_url: str) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-09T05:00:00Z")
    before = operator.everything(db_url)
    assert operator("simulate", "mias-feed", *SPAN).code == 0
    assert operator.everything(db_url) == before


def test_it_foretells_what_then_happens(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-09T04:30:00Z")
    foretold = operator("simulate", "mias-feed", *SPAN, "--json").document
    sent: dict[str, int] = {}
    for hour in range(5, 24 * 8):
        now = f"2026-11-{9 + hour // 24:02}T{hour % 24:02}:00:00Z"
        if hour % 12 == 0:
            operator("run", "--now", now)
    for mail in foretold["mails"]:
        found = operator("explain", "mias-feed", mail["email"], "--json").document["editions"]
        sent[mail["email"]] = sum(edition["articles"] for edition in found if edition["state"] == "sent")
    assert len(foretold["mails"]) >= 7
    totals: dict[str, int] = {}
    for mail in foretold["mails"]:
        totals[mail["email"]] = totals.get(mail["email"], 0) + mail["articles"]
    assert totals == sent


def test_each_mail_stands_at_the_reader_s_own_time(operator: Operator) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-09T04:30:00Z")
    mails = operator("simulate", "mias-feed", *SPAN, "--json").document["mails"]
    local = {mail["email"]: mail["local"] for mail in mails}
    assert local["moana.reid@example.org"] == "2026-11-16T07:30:00+13:00"
    assert local["rafael.souza@example.com"] == "2026-11-13T18:00:00-03:00"


def test_the_summary_counts_and_names_nobody(operator: Operator) -> None:
    operator.begin()
    out = operator("simulate", "mias-feed", *SPAN, "--summary").out
    assert "readers" in out
    assert "@" not in out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--from", "tomorrow"), "is no date and time"),
        (("--from", "2026-11-22T08:00:00"), "has no UTC offset"),
        (("--from", "2026-11-22", "--to", "2026-11-20"), "must be later"),
        (("--from", "2026-11-22", "--to", "2029-11-20"), "too many to simulate"),
        (("--from", "2026-02-30"), "is no date and time"),
    ],
)
def test_dates_that_make_no_sense(operator: Operator, words: tuple[str, ...], complaint: str) -> None:
    operator.begin(with_readers=False)
    answer = operator("simulate", "mias-feed", *words)
    assert answer.code == 2
    assert complaint in answer.complaint
