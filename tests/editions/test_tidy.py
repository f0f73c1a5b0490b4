"""Text from outside: one line, no tricks, addresses we would follow, cuts that keep characters whole."""

import pytest
from hypothesis import given, strategies as st

from digest.editions import tidy


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  two\r\n\tlines\u2028here ", "two lines here"),
        ("nul\x00bell\x07c1\x85\x9b", "nulbellc1"),
        ("lone \ud800 half", "lone half"),
        ("\u202ereversed\u202c \u2066isolated", "reversed isolated"),
        ("family 👨‍👩‍👧 ❤️", "family 👨‍👩‍👧 ❤️"),
        ("א\u200fב", "א\u200fב"),
        ("\ufffe\ufdd0", ""),
    ],
)
def test_a_text_becomes_one_printable_line(text, expected):
    assert tidy.line(text) == expected


@given(st.text())
def test_a_line_can_be_sent_and_is_not_tidied_twice(text):
    line = tidy.line(text)
    assert "\n" not in line
    assert tidy.line(line) == line
    line.encode()


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://example.org/a?b=1&c=%20#d", "https://example.org/a?b=1&c=%20#d"),
        ("HTTP://example.org", "HTTP://example.org"),
        (" https://example.org/a b\n", "https://example.org/a%20b"),
        ("https://example.org/é?q=\"'<>", "https://example.org/%C3%A9?q=%22'%3C%3E"),
        ("https:///nowhere", None),
        ("//example.org/a", None),
        ("/relative", None),
        ("javascript:alert(1)", None),
        ("java\x00script:alert(1)", None),
        ("data:text/html,x", None),
        ("", None),
        (None, None),
    ],
)
def test_only_absolute_web_addresses_are_kept(address, expected):
    assert tidy.url(address) == expected


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("short enough", 12, "short enough"),
        ("cut between the words", 15, "cut between…"),
        ("cut before, a comma", 12, "cut before…"),
        ("a donaudampfschifffahrt", 12, "a donaudamp…"),
        ("血糖値と歩行の関係について", 6, "血糖値と歩…"),
        ("cafe\u0301s", 5, "caf…"),
        ("1234👩‍⚕️ and more", 7, "1234…"),
        ("ab", 1, "a…"),
    ],
)
def test_a_cut_keeps_words_and_characters_whole(text, width, expected):
    assert tidy.shorten(text, width) == expected


@given(st.text(), st.integers(min_value=2, max_value=80))
def test_a_shortened_text_is_never_longer_than_allowed(text, width):
    assert len(tidy.shorten(text, width)) <= width


def test_lines_end_at_seventy_two_columns_but_an_address_stays_whole():
    address = "https://example.org/" + "a" * 80
    wrapped = tidy.wrap(f"{'word ' * 20}{address}", indent="  ").splitlines()
    assert wrapped[-1] == f"  {address}"
    assert all(len(line) <= 72 for line in wrapped[:-1])


def test_a_centred_text_has_no_blanks_behind_it():
    assert tidy.centre("abcd", 10) == "   abcd"
    assert tidy.centre("one two three", 9) == " one two\n  three"


def test_lines_hang_below_their_mark():
    assert tidy.wrap("* one two", 6, hang="  ") == "* one\n  two"
