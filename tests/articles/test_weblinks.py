import pytest
from hypothesis import given, strategies as st

from digest.articles import weblinks


@pytest.mark.parametrize(
    ("url", "base", "expected"),
    [
        ("https://x.example/a", "", "https://x.example/a"),
        ("a", "https://x.example/b/c", "https://x.example/b/a"),
        ("?p=1", "https://x.example/b", "https://x.example/b?p=1"),
        (" https://x.example/\na ", "", "https://x.example/a"),
        ('https://x.example/a b"<c>', "", "https://x.example/a%20b%22%3Cc%3E"),
        ("https://x.example/a%20b|ü", "", "https://x.example/a%20b|ü"),
        ("https://mia:secret@x.example/", "", "https://x.example/"),
        ("a", "", None),
        ("", "https://x.example/", None),
        ("javascript:alert(1)", "https://x.example/", None),
        ("java\nscript:alert(1)", "https://x.example/", None),
        ("mailto:a@x.example", "https://x.example/", None),
        ("https://", "", None),
        ("https://x.example:port/", "", None),
        ("http://[1", "", None),
        ("https://x.example/" + "a" * 2000, "", None),
    ],
)
def test_absolute(url: str, base: str, expected: str | None) -> None:
    assert weblinks.absolute(url, base) == expected


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://X.Example/a", "https://x.example/a"),
        ("http://x.example/a", "https://x.example/a"),
        ("https://x.example:443/a", "https://x.example/a"),
        ("https://x.example./a/", "https://x.example/a"),
        ("https://x.example/a#part", "https://x.example/a"),
        ("https://x.example/a?utm_source=rss&utm_medium=feed", "https://x.example/a"),
        ("https://x.example/a?fbclid=1&id=2&gclid=3", "https://x.example/a?id=2"),
        ("https://x.example", "https://x.example/"),
        ("https://mia@x.example/a", "https://x.example/a"),
    ],
)
def test_spellings_of_one_page_are_one(url: str, same: str) -> None:
    assert weblinks.canonical(url) == weblinks.canonical(same) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://x.example/a", "https://x.example/A"),
        ("https://x.example/?p=1", "https://x.example/?p=2"),
        ("https://x.example/?a=1&b=2", "https://x.example/?b=2&a=1"),
        ("https://x.example/", "https://www.x.example/"),
        ("https://x.example:8443/", "https://x.example/"),
        ("http://x.example:8080/", "https://x.example:8080/"),
    ],
)
def test_different_pages_stay_apart(one: str, other: str) -> None:
    assert weblinks.canonical(one) != weblinks.canonical(other)


@given(st.text(max_size=60) | st.from_regex(r"https?://[\w.:@\[\]/?&#=%-]{0,40}"))
def test_no_text_raises_and_canonical_is_stable(text: str) -> None:
    found = weblinks.absolute(text)
    if found is not None:
        assert weblinks.absolute(found) == found
        assert weblinks.canonical(weblinks.canonical(found)) == weblinks.canonical(found)
    weblinks.canonical(text)
