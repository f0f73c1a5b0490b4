"""The lint of the inlined stylesheet: a table of rules it takes and refuses."""

import pytest

from digest.editions import stylesheet


@pytest.mark.parametrize(
    "rule",
    [
        ".story { margin: 0 }",
        ".brief li a { color: #123456; }",
        "td.story > p { margin: 0 }",
        "{% set shades = palette.light %}.a { color: {{ shades.text }}; }",
        "/* .a + .b { } */ .c { width: 50% }",
    ],
)
def test_a_rule_about_one_block_is_taken(rule):
    stylesheet.check(rule, "style.css")


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (".story + .story { margin: 0 }", r"'\+'"),
        ("h2 ~ p { margin: 0 }", "'~'"),
        (".story:first-child { margin: 0 }", ":first-child"),
        (".story:last-of-type { margin: 0 }", ":last-of-type"),
        ("tr:nth-child(2n) td { margin: 0 }", ":nth-child"),
        ("p:only-child { margin: 0 }", ":only-child"),
        ("p:empty { margin: 0 }", ":empty"),
        ("td:has(.lead) { margin: 0 }", r":has\("),
        ("@media (max-width: 480px) { .a { margin: 0 } }", "@media cannot be inlined"),
    ],
)
def test_a_rule_about_neighbours_is_refused(rule, what):
    with pytest.raises(stylesheet.StylesheetError, match=what):
        stylesheet.check(rule, "style.css")


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (".a { color: #fff }", "'#fff': write colours as #rrggbb"),
        (".a { color: #11223344 }", "'#11223344'"),
        (".a { color: rgb(0 128 0 / 1) }", "'rgb'"),
        (".a { margin: 0; background: var(--x) }", "'var'"),
        (".a { border: 1px solid oklch(1 2 3) }", "'oklch'"),
        (".a { margin: 0", "never closed"),
        (".a { margin: 0 } }", "never opened"),
    ],
)
@pytest.mark.parametrize("is_inlined", [True, False])
def test_what_mail_programs_answer_by_dropping_everything_is_refused_in_every_sheet(rule, what, is_inlined):
    with pytest.raises(stylesheet.StylesheetError, match=what):
        stylesheet.check(rule, "any.css", is_inlined=is_inlined)


def test_a_sheet_that_is_passed_through_may_ask_for_the_screen_but_for_no_other_sheet():
    stylesheet.check("@media (max-width: 480px) { .a { color: #112233 } }", "media.css", is_inlined=False)
    with pytest.raises(stylesheet.StylesheetError, match="@import asks another server"):
        stylesheet.check("@import url(https://a.example/b.css);", "media.css", is_inlined=False)


@pytest.mark.parametrize(
    ("rule", "what"),
    [
        (".a {\n colr red\n}", "f.css:2: not CSS: Expected ':' after declaration name"),
        (".a { color: }", "f.css:1: 'color' has no value"),
        (".a { margin: 0 }\n.b > > c { margin: 0 }", "f.css:2: '.b > > c' is no selector"),
        (".a { margin: 0 }\nmargin: 0", "f.css:2: not CSS"),
        ("@media (max-width: 480px) {\n.a { color red } }", "f.css:2: not CSS"),
    ],
)
def test_what_css_passes_over_without_a_word_is_told(rule, what):
    with pytest.raises(stylesheet.StylesheetError, match=what):
        stylesheet.check(rule, "f.css", is_inlined=False)


@pytest.mark.parametrize(
    "rule",
    [
        ".a { width: {{ wide }}px; {% if dark %}color: {{ shade }};{% endif %} }",
        ".{{ name }} b { margin: {{ gap }} }",
        ".a { margin: 0 }\n{{ shades.dark() }}\n.b { margin: 0 }",
        '@font-face { font-family: "x"; src: url(x.woff) }',
        ".a { mso-line-height-rule: exactly; -webkit-text-size-adjust: 100% !important }",
    ],
)
def test_places_of_a_template_and_what_single_programs_understand_are_taken(rule):
    stylesheet.check(rule, "f.css", is_inlined=False)


def test_an_id_is_no_colour():
    stylesheet.check("#more a { color: #112233 }", "style.css")


def test_every_fault_is_told_with_its_file_and_line():
    sheet = "/* two\nlines */\n.a { margin: 0 }\n\n.b + .c {\n margin: 0\n}\np:empty{}\n"
    with pytest.raises(stylesheet.StylesheetError) as caught:
        stylesheet.check(sheet, "own/style.css")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["own/style.css:5", "own/style.css:8"]
