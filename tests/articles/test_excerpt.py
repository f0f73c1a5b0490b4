import pytest
from hypothesis import given, strategies as st

from digest.articles import excerpt


@pytest.mark.parametrize(
    ("text", "length", "expected"),
    [
        ("Short.", 20, "Short."),
        ("Exactly twenty chars", 20, "Exactly twenty chars"),
        ("One two three four five", 20, "One two three four…"),
        ("One two three. Four five six", 20, "One two three."),
        ("One. Two three four five six", 20, "One. Two three four…"),
        ("One two three, four — five", 20, "One two three, four…"),
        ("One two three four, five", 20, "One two three four…"),
        ("日本語の長い文がここにあります", 10, "日本語の長い文がこ…"),
    ],
)
def test_texts_are_cut_where_a_reader_would(text: str, length: int, expected: str) -> None:
    assert excerpt.shorten(text, length) == expected


@given(st.text(max_size=400), st.integers(10, 300))
def test_a_cut_text_is_never_too_long(text: str, length: int) -> None:
    assert len(excerpt.shorten(text, length)) <= length


@pytest.mark.parametrize(
    ("summary", "expected"),
    [
        ("A summary.", "A summary."),
        ("", "The body."),
        ("Cut here […]", "Cut here…"),
        ("A whole sentence. […]", "A whole sentence."),
        ("Cut here [...] The post Salt first appeared on Ward Notes.", "Cut here…"),
        ("Cut here Continue reading Salt →", "Cut here…"),
        ("[…]", "The body."),
    ],
)
def test_a_standfirst_is_free_of_what_software_adds(summary: str, expected: str) -> None:
    assert excerpt.standfirst(summary, "The body.") == expected


@pytest.mark.parametrize(
    ("given_text", "words", "expected"),
    [
        ("", 0, 1),
        ("", 219, 1),
        ("", 440, 2),
        ("5", 9999, 5),
        ("2.7", 9999, 2),
        ("3 min read", 0, 3),
        ("4 minutes", 0, 4),
        ("0", 660, 3),
        ("-3", 660, 3),
        ("soon", 660, 3),
        ("9999", 660, 3),
        ("", 10_000_00, 600),
    ],
)
def test_minutes(given_text: str, words: int, expected: int) -> None:
    assert excerpt.minutes(given_text, "word " * words) == expected


def test_minutes_of_a_text_without_spaces() -> None:
    assert excerpt.minutes("", "漢字" * 660) == 3
