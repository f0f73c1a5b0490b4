import time

import pytest

from digest.articles import asides


@pytest.mark.parametrize(
    "line",
    [
        "Share this:", "Share on Facebook", "Click to share on Twitter (Opens in new window)",
        "Facebook Twitter LinkedIn", "Like Loading…", "Advertisement", "ANZEIGE",
        "Photo: Ida Lund / Ward Notes", "Image credit: NASA", "Credit: Getty", "By Ida Lund",
        "By Ida Lund and Noor van Dijk", "Published 3 November 2026", "Last updated: Monday",
        "Listen to this article", "Sign up for our weekly newsletter", "Read more: How insulin works",
        "Related: Salt", "5 min read", "Contents", "The post Salt first appeared on Ward Notes.",
        "Weiterlesen", "Read more »", "* * *", "This article was originally published in The Example Journal.",
        "[link]",
    ],
)  # fmt: skip
def test_lines_that_are_not_the_article(line: str) -> None:
    assert asides.is_one(line)


@pytest.mark.parametrize(
    "line",
    [
        "Share prices fell by a third.", "By walking ten minutes a day, people live longer.",
        "Images of the brain change.", "Photographs by day show more than those by night.",
        "Published data show no risk. More are to come.", "Subscribers of a gym walk less than they think.",
        "Reading more helps.", "Related illnesses were rare.", "Like many others, she waited.",
        "Contents of the stomach were examined.", "Comments were mixed.", "Ja.",
    ],
)  # fmt: skip
def test_lines_that_are(line: str) -> None:
    assert not asides.is_one(line)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Less salt helps. Read more »", "Less salt helps."),
        ("Less salt helps. Read more about salt at Ward Notes", "Less salt helps."),
        ("Less salt helps. [Read more…]", "Less salt helps."),
        ("Less salt helps. Weiterlesen →", "Less salt helps."),
        ("Less salt […] The post Salt appeared first on Ward Notes.", "Less salt"),
        ("Weniger Salz […] Der Beitrag Salz erschien zuerst auf Ward Notes.", "Weniger Salz"),
        ("Less salt helps. submitted by /u/ida [link] [comments]", "Less salt helps."),
        ("Less salt helps. 12 Comments", "Less salt helps."),
        ("Comments", ""),
        ("Those who read more about salt eat less of it.", "Those who read more about salt eat less of it."),
        ("He cited the Source", "He cited the Source"),
        ("", ""),
    ],
)
def test_what_software_adds_is_taken_away_again(text: str, left: str) -> None:
    assert asides.without_additions(text) == left


@pytest.mark.parametrize("part", ["share ", "The post ", "Read more ", "By A", "[link] ", "Photo: ", "Comments. "])
def test_no_text_keeps_it_busy(part: str) -> None:
    started = time.monotonic()
    asides.is_one(part * 50_000)
    asides.is_one((part * 300)[:300])
    asides.without_additions(part * 50_000)
    assert time.monotonic() - started < 1
