"""The demonstration would notice if an Article were lost, told twice, or told to whom it is not for."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from digest.demo import verdict
from digest.demo.letters import Letter, Name
from digest.demo.mailserver import Received
from digest.editions import cadence

START = datetime(2026, 11, 2, tzinfo=UTC)
END = START + timedelta(days=3)
RULE = cadence.Rule(cadence.Frequency.DAILY, 0, time(8), "UTC", date(2024, 1, 1))
# Released on the first day before eight, on the first day after eight, and after the last digest.
EARLY, LATER, LAST = (Name(f"https://news.example/{name}", name) for name in ("early", "later", "last"))
OTHER = Name("https://news.example/other", "other")
ARTICLES = (
    verdict.Article(EARLY, ("heart",), 1, START + timedelta(hours=6)),
    verdict.Article(LATER, ("heart",), 2, START + timedelta(hours=10)),
    verdict.Article(OTHER, ("sleep",), 3, START + timedelta(hours=11)),
    verdict.Article(LAST, ("heart",), 4, END - timedelta(hours=1)),
)


def a_reader(**changes):
    values = {"email": "a@example.org", "name": "A", "rule": RULE, "zone": "UTC", "topics": ("heart",)}
    return verdict.Reader(**(values | {"begins_after": 0} | changes))


def digests(*told, to="a@example.org"):
    return [verdict.Digest(Letter(Received(1, "", to, b"")), names) for names in told]


def outcome(*told, reader=None):
    found = verdict.judge(reader or a_reader(), digests(*told), ARTICLES, end=END)
    return found.lost, found.twice, found.unwanted, found.waiting


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (((EARLY,), (LATER,)), ([], [], [], 1)),
        (((EARLY, LATER),), ([], [], [], 1)),
        (((EARLY,),), ([LATER], [], [], 1)),
        ((), ([EARLY, LATER], [], [], 1)),
        (((EARLY,), (EARLY, LATER)), ([], [EARLY], [], 1)),
        (((EARLY, LATER, LATER),), ([], [LATER], [], 1)),
        (((EARLY, OTHER), (LATER,)), ([], [], [OTHER], 1)),
    ],
)
def test_what_arrived_is_held_against_what_was_asked_for(told, expected):
    assert outcome(*told) == expected


def test_the_archive_of_before_is_no_loss():
    assert outcome((LATER,), reader=a_reader(begins_after=1)) == ([], [], [], 1)


def test_an_instant_reader_waits_half_an_hour_at_most():
    instant = cadence.Rule(cadence.Frequency.INSTANT, 0, time(8), "UTC", date(2024, 1, 1))
    assert outcome((EARLY,), (LATER,), reader=a_reader(rule=instant)) == ([LAST], [], [], 0)


def test_mail_to_others_counts_for_nothing():
    found = verdict.judge(a_reader(), digests((EARLY, LATER), to="b@example.org"), ARTICLES, end=END)
    assert found.lost == [EARLY, LATER]
    assert not found.is_clean


def test_articles_alike_are_counted_one_by_one():
    twins = [verdict.Article(EARLY, ("heart",), number, START) for number in (1, 2)]
    found = verdict.judge(a_reader(), digests((EARLY,), (EARLY, EARLY)), twins, end=END)
    assert (found.told, found.lost, found.twice) == (2, [], [EARLY])
