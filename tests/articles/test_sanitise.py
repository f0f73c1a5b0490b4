from html.parser import HTMLParser

import pytest

from digest.articles import sanitise
from digest.articles.pictures import noise, tags
from digest.articles.pictures.choice import Picture

PAGE = "https://site.example.org/news/today.html"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>Plain <b>bold</b></p>", "<p>Plain <b>bold</b></p>"),
        ("<p style='x' class='p' id='q' onclick='z' data-a='1'>t</p>", "<p>t</p>"),
        ("<script>alert(1)</script><style>p{}</style>t", "t"),
        ("<a href='javascript:alert(1)'>x</a>", "<a>x</a>"),
        ("<a href='java\nscript:alert(1)'>x</a>", "<a>x</a>"),
        ("<a href='data:text/html,x'>x</a>", "<a>x</a>"),
        ("<a href='mailto:a@x.example'>x</a>", '<a href="mailto:a@x.example">x</a>'),
        ("<a href='next'>x</a>", '<a href="https://site.example.org/news/next">x</a>'),
        ("<a href='/top'>x</a>", '<a href="https://site.example.org/top">x</a>'),
        ("<a href='//cdn.example.org/x'>x</a>", '<a href="https://cdn.example.org/x">x</a>'),
        ("<a href='#note'>x</a>", f'<a href="{PAGE}#note">x</a>'),
        ("<img src='data:image/gif;base64,R0'>", ""),
        ("<img src='a.png' width=1 height=1>t", "t"),
        ("<img src='a.png' width='1px'>t", "t"),
        ("<img src='a.png' height=0>t", "t"),
        ("<img src='https://pixel.wp.com/b.gif?x=1'>t", "t"),
        ("<img alt='no source'>t", "t"),
        ("<img src='a.png' alt='a > b'>", '<img src="https://site.example.org/news/a.png" alt="a &gt; b">'),
        ("<iframe src='https://x.example'></iframe><form><input>t</form>", "t"),
        ("<svg><a xlink:href='javascript:x'>y</a></svg>t", "t"),
        ("<!-- secret -->t", "t"),
        ("<noscript><img src='real.png'></noscript>", '<img src="https://site.example.org/news/real.png">'),
        ("<p>unclosed <b>tags", "<p>unclosed <b>tags</b></p>"),
        ("</p></div>stray", "<p></p>stray"),
        ("<section><h2>Head</h2></section>", "<h2>Head</h2>"),
    ],
)
def test_clean_html(markup: str, expected: str) -> None:
    assert sanitise.clean(markup, base=PAGE) == expected


@pytest.mark.parametrize("base", ["http://0\x9fUco\xde/", "https://xn--a/"])
def test_a_base_that_is_no_domain_spoils_no_text(base: str) -> None:
    safe = sanitise.clean("<p>a <a href='https://example.org/'>b</a></p>", base=base)
    assert safe == '<p>a <a href="https://example.org/">b</a></p>'


@pytest.mark.parametrize("base", ["", "/local", "file:///etc/", "http://["])
def test_without_a_web_address_relative_links_go(base: str) -> None:
    assert sanitise.clean("<a href='/x'>a</a><img src='//evil.example/x'>", base=base) == "<a>a</a>"


@pytest.mark.parametrize(
    ("markup", "expected"),
    [
        ("<p>One</p><p>two</p>", "One two"),
        ("in<b>side</b> H<sub>2</sub>O", "inside H2O"),
        ("<ul><li>a<li>b</ul>", "a b"),
        ("a &amp; b &lt;c&gt; &nbsp; d", "a & b <c> d"),
        ("<img alt='x > y' src='z'>t", "t"),
        ("<script>no</script><title>no</title>yes", "yes"),
    ],
)
def test_text_of_html(markup: str, expected: str) -> None:
    assert sanitise.text(markup) == expected


def test_loose_text_is_put_in_a_paragraph() -> None:
    assert sanitise.paragraphs("a<br>b") == "<p>a<br>b</p>"
    assert sanitise.paragraphs("<p>a</p>") == "<p>a</p>"
    assert sanitise.paragraphs("") == ""


def test_pictures_come_in_order_with_their_words() -> None:
    safe = sanitise.clean("<img src='a.png' alt='A &amp; b'><p><img src='/b.png'></p>", base=PAGE)
    assert tags.read(safe) == [
        Picture("https://site.example.org/news/a.png", "A & b", kind="png"),
        Picture("https://site.example.org/b.png", kind="png"),
    ]


ATTACKS = [
    "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "<a href=' &#14; javascript:alert(1)'>x",
    "<a href='&#106;avascript:x'>x",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "<a href='vbscript:x'>x", "<body onload=alert(1)>", "<base href='javascript:/'><a href='a'>x",
    "<meta http-equiv=refresh content='0;x'>",
    "<link rel=stylesheet href=//evil.example>", "<div style='background:url(javascript:x)'>",
    "<form action='javascript:x'><button>x",
    "<a href='jav&#x09;ascript:alert(1)'>x", "<x onclick=alert(1)>y",
    "<!--<img src='--><img src=x onerror=alert(1)>'>", "<object data=x>",
]  # fmt: skip


class Watcher(HTMLParser):
    """Another parser's view of what we let through."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in {"a", "img", "p", "div", "table"}
        for name, value in attrs:
            assert name in {"href", "src", "alt", "title"}
            if name in ("href", "src"):
                assert str(value).startswith(("https://site.example.org/", "mailto:"))

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("base", ["", PAGE])
def test_attacks_leave_nothing_that_acts(attack: str, base: str) -> None:
    safe = sanitise.clean(attack, base=base)
    Watcher().feed(safe)
    assert sanitise.clean(safe, base=base) == safe


@pytest.mark.parametrize(
    ("written", "pixels"),
    [
        ("640", 640),
        (" 640px ", 640),
        ("640.5", 640),
        ("0", 0),
        ("100%", 0),
        ("", 0),
        (None, 0),
        ("-5", 0),
        ("9" * 9, 0),
    ],
)
def test_sizes_are_read_as_attributes_give_them(written: str | None, pixels: int) -> None:
    assert noise.pixels(written) == pixels
