import pytest

from digest.articles import prose
from digest.articles.prose import Kind


@pytest.mark.parametrize(
    ("safe", "blocks"),
    [
        ("<p>One <b>two</b></p><p>Three</p>", [(Kind.PARAGRAPH, "One two"), (Kind.PARAGRAPH, "Three")]),
        ("One<br>two<br><br>Three", [(Kind.PARAGRAPH, "One two"), (Kind.PARAGRAPH, "Three")]),
        ("<h2>Head</h2><p>Text</p>", [(Kind.HEADING, "Head"), (Kind.PARAGRAPH, "Text")]),
        ("<ul><li>One</li><li><p>Two</p></li></ul>", [(Kind.ITEM, "One"), (Kind.ITEM, "Two")]),
        ("<blockquote><p>Said</p></blockquote>", [(Kind.QUOTE, "Said")]),
        ("<pre><code>if a &lt; b:\n  c</code></pre>", [(Kind.CODE, "if a < b: c")]),
        ("<p>Run <code>a &amp;&amp; b</code> now</p>", [(Kind.PARAGRAPH, "Run a && b now")]),
        ("<figure><img src=\"x\"><figcaption>A dog</figcaption></figure>", [(Kind.CAPTION, "A dog")]),
        (
            "<table><caption>Doses</caption><tr><th>Age</th><th>Dose</th></tr><tr><td>6</td><td></td><td>2</td></tr></table>",
            [(Kind.CAPTION, "Doses"), (Kind.ROW, "Age · Dose"), (Kind.ROW, "6 · 2")],
        ),
        ("<p>Said <q>yes</q> to CO<sub>2</sub> at 10<sup>-3</sup> m<sup>2</sup></p>",
         [(Kind.PARAGRAPH, "Said “yes” to CO₂ at 10⁻³ m²")]),
        ("<p>Known<sup><a href=\"#n\">12</a></sup>. The 4<sup>th</sup></p>", [(Kind.PARAGRAPH, "Known. The 4th")]),
        ("<p> \u200b </p><p>·</p><hr>", []),
        ("", []),
    ],
)  # fmt: skip
def test_blocks_of_an_article(safe: str, blocks: list[tuple[Kind, str]]) -> None:
    assert [(block.kind, block.text) for block in prose.blocks(safe)] == blocks


def test_a_long_article_is_not_read_to_its_end() -> None:
    read = list(prose.blocks("<p>" + "word " * 100 + "</p>" + "<p>more</p>" * 100_000))
    assert sum(len(block.text) for block in read) < 2 * prose.ENOUGH
