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


def test_every_fault_is_told_with_its_file_and_line():
    sheet = "/* two\nlines */\n.a { margin: 0 }\n\n.b + .c {\n margin: 0\n}\np:empty{}\n"
    with pytest.raises(stylesheet.StylesheetError) as caught:
        stylesheet.check(sheet, "own/style.css")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["own/style.css:5", "own/style.css:8"]
