"""The inliner: what it must do, must leave alone, and must never fetch."""

import cssutils
import pytest

from digest.editions import inline

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>t</title>
<style>{css}</style>
<style data-premailer="ignore">@media (max-width: 480px) {{ .a {{ color: #000000 !important; }} }}</style>
</head><body><!--[if mso]><table><tr><td><![endif]--><p class="a">é &amp; “x”</p>{more}</body></html>"""


def page(css: str = ".a { color: #123456; width: 50%; }", more: str = "") -> str:
    return PAGE.format(css=css, more=more)


def test_rules_move_into_style_attributes():
    assert '<p class="a" style="color:#123456; width:50%">é &amp; “x”</p>' in inline.inline(page())


def test_the_second_stylesheet_passes_byte_for_byte():
    kept = "<style>@media (max-width: 480px) { .a { color: #000000 !important; } }</style>"
    assert kept in inline.inline(page())


def test_doctype_and_outlook_comments_stay():
    inlined = inline.inline(page())
    assert inlined.startswith("<!DOCTYPE html>")
    assert "<!--[if mso]><table><tr><td><![endif]-->" in inlined


def test_no_stylesheet_is_ever_fetched(monkeypatch):
    asked = []
    monkeypatch.setattr(cssutils.util, "_defaultFetcher", lambda url: asked.append(url) or inline._fetch_nothing(url))
    more = '<link rel="stylesheet" href="http://127.0.0.1:1/a.css">'
    inline.inline(page("@import url(http://127.0.0.1:1/b.css); .a { color: #123456 }", more))
    assert set(asked) == {"http://127.0.0.1:1/b.css"}
    assert inline._fetch_nothing("http://127.0.0.1:1/b.css") is None


def test_the_fetcher_in_place_is_ours():
    assert cssutils.util._defaultFetcher is inline._fetch_nothing


@pytest.mark.parametrize("document", ["", "   ", "<!-- nothing -->"])
def test_a_document_that_is_none_is_an_inline_error(document):
    with pytest.raises(inline.InlineError):
        inline.inline(document)


def test_a_fault_of_the_library_is_an_inline_error():
    with pytest.raises(inline.InlineError, match="TypeError"):
        inline.inline(page("p { margin: 0 }", '<p style="p">x</p>'))
