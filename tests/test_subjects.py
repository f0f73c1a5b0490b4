"""Subjects: what a pattern may say, and that the lead title alone gives way."""

import pytest

from digest import subjects
from digest.editions import tidy

WORDS = {
    "lead": "A walk after dinner steadies blood sugar, a nine-year study finds",
    "others": ", and 4 more stories",
    "count": "5",
    "name": "Mia's Feed",
    "topic": "Heart",
    "dates": "27 Oct – 2 Nov 2026",
}


def written(pattern: str, **changes: str) -> str:
    return subjects.write(pattern, WORDS | changes, tidy.shorten)


@pytest.mark.parametrize(
    ("pattern", "subject"),
    [
        ("", "A walk after dinner steadies blood sugar, a…, and 4 more stories"),
        ("{name}: {lead}", "Mia's Feed: A walk after dinner steadies blood sugar, a nine-year…"),
        ("{count} new from {name}, {dates}", "5 new from Mia's Feed, 27 Oct – 2 Nov 2026"),
        ("[{topic}] {lead}", "[Heart] A walk after dinner steadies blood sugar, a nine-year study…"),
        ("{{{lead}}}", "{A walk after dinner steadies blood sugar, a nine-year study finds}"),
    ],
)
def test_a_pattern_is_filled_within_seventy_characters(pattern, subject):
    assert subjects.check(pattern) == pattern
    assert written(pattern) == subject
    assert len(subject) <= subjects.LIMIT


def test_a_lead_is_never_cut_to_nothing():
    assert written("{lead} " + "x" * 90).startswith("A walk after dinner…")


@pytest.mark.parametrize(
    "title", ["Re: Your results", "FWD: Re: Your results", "AW: Your results", "re[2]: Your results"]
)
def test_a_title_that_poses_as_an_answer_is_shown_without_the_pose(title):
    assert written("{lead}", lead=title) == "Your results"
    assert written("{name}: {lead}", lead=title) == "Mia's Feed: Your results"


@pytest.mark.parametrize("title", ["Research: what it costs", "Reading: a primer", "Trends: up"])
def test_a_word_that_only_begins_like_one_is_kept(title):
    assert written("{lead}", lead=title) == title


@pytest.mark.parametrize(
    ("pattern", "complaint"),
    [
        ("{title}", r"there is no place {title}; there are: {lead}, {others}"),
        ("{lead.__class__}", "there is no place"),
        ("{lead!r}", "there is no place"),
        ("{lead:>40}", "there is no place"),
        ("{}", "there is no place"),
        ("{lead", "expected '}' before end of string"),
        ("News from {name}", "say what is inside"),
        ("Re: {lead}", "cannot begin with Re: or Fwd:"),
    ],
)
def test_a_pattern_that_cannot_be_used_is_refused_with_the_reason(pattern, complaint):
    with pytest.raises(subjects.SubjectError, match=complaint):
        subjects.check(pattern)
