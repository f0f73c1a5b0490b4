import pytest
from hypothesis import given, strategies as st

from digest.articles import excerpt, headline, sanitise


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
        ("<p>One.</p><p>Two.</p><p>Read more</p>", "One. Two."),
        ("<a href='https://a.example/c'>Comments</a>", "The body."),
        ("<figure><figcaption>A dog</figcaption></figure>", "The body."),
        ("Salt and sleep", "The body."),
        ("Salt and…", "The body."),
        ("Salt and sleep belong together.", "Salt and sleep belong together."),
    ],
)
def test_a_standfirst_is_free_of_what_software_adds(summary: str, expected: str) -> None:
    assert excerpt.standfirst(summary, "<p>The body.</p>", title="Salt and sleep") == expected


def test_a_summary_cut_by_software_is_cut_anew_from_the_text() -> None:
    body = "<p>Ten minutes on foot did more than an hour at the gym. Nobody knows why.</p>"
    assert excerpt.standfirst("Ten minutes on foot did more […]", body) == (
        "Ten minutes on foot did more than an hour at the gym. Nobody knows why."
    )


REAL = "Ten minutes on foot did more than an hour at the gym, a study of twelve thousand adults suggests."


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f"<figure><img><figcaption>Two people at dusk, walking home</figcaption></figure><p>{REAL}</p>", REAL),
        (f"<p>By Ida Lund</p><p>3 min read</p><h2>What is new</h2><p>{REAL}</p>", REAL),
        (f"<p>Photo: Ida Lund</p><p>Share this article on Facebook</p><p>{REAL}</p><p>More.</p>", REAL),
        (f"<p>Salt and sleep</p><p>{REAL}</p>", REAL),
        ("<p>It was a cold morning in May.</p><p>Nobody had slept.</p>", "It was a cold morning in May."),
        (f"<p>It was a cold morning in May.</p><p>{REAL}</p>", f"It was a cold morning in May. {REAL}"),
        ("<p>We asked three questions of everybody:</p><ol><li>Who paid?</li><li>Who lost?</li></ol><p>End.</p>",
         "We asked three questions of everybody: Who paid? Who lost?"),
        ("<ul><li>Salt, 2 g</li><li>Water</li><li>Rice</li></ul>", "Salt, 2 g; Water; Rice"),
        ("<table><tr><th>Age</th><th>Dose</th></tr><tr><td>6</td><td>2</td></tr></table>", "Age · Dose; 6 · 2"),
        (f"<pre>print('x')</pre><p>{REAL}</p>", REAL),
        ("<pre>print('x')</pre>", "print('x')"),
        (f"<blockquote>{REAL}</blockquote>", REAL),
        ("<p>日本語の短い文。</p>", "日本語の短い文。"),
        ("Salt keeps many awake […] The post Salt appeared first on Ward Notes.", "Salt keeps many awake…"),
        (f"<p>{REAL} <a href='x'>Read more</a></p>", REAL),
        ("<p>Mia&amp;amp;#8217;s study of caf&amp;eacute;s &amp;amp; bars</p>", "Mia’s study of cafés & bars"),
        ("<p>Read more</p>", ""),
        ("<img src='x'>", ""),
    ],
)  # fmt: skip
def test_without_a_summary_the_first_real_paragraph_stands(body: str, expected: str) -> None:
    assert excerpt.standfirst("", body, title="Salt and sleep") == expected


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


MARKUP = st.text("<>/&;#\"' =aip", max_size=60) | st.sampled_from(
    [
        "<p>",
        "</p>",
        "<ul><li>",
        "<br>",
        "<table><tr><td>",
        "<pre>",
        "<sup><a>",
        "<figure>",
        "<q>",
        "Read more",
        "&amp;#8217;",
    ]
)


@given(st.lists(MARKUP, max_size=30))
def test_no_markup_makes_a_standfirst_long_or_of_several_lines(parts: list[str]) -> None:
    safe = sanitise.clean("".join(parts), base="https://a.example/")
    found = excerpt.standfirst(safe, safe, title=headline.tidy("".join(parts)))
    assert len(found) <= excerpt.STANDFIRST
    assert found == " ".join(found.split())
