"""What of a mail's HTML and CSS the big programs do not know, by the tests of caniemail.com (pure but for its data).

What stands in style blocks is an improvement by construction: whoever drops it shows what stands in the attributes. So
only attributes and elements are asked about, and each that some program lacks must be on the list of those that leave
something good behind, with the reason.
"""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from digest.lint import page as pages, styles
from digest.lint.finding import Finding, error

DATA = Path(__file__).with_name("caniemail.json")
# What is left where it is unknown. Without an entry here, a feature that one of the programs lacks is an error.
FALLBACKS = {
    "css-border-radius": "corners are square",
    "css-border-spacing": "it is 0, and cellspacing says the same",
    "css-word-break": "a long word keeps its length, and the column grows with it",
    "css-overflow-wrap": "a long word keeps its length, and the column grows with it",
    "css-word-wrap": "a long word keeps its length, and the column grows with it",
    "css-white-space": "a line may break where it should not",
    "css-height": "pictures go by their own height, which height:auto asks for anyway",
    "css-sytem-ui": "the next font of the list is taken",
    "css-color-scheme": "the program darkens by its own rules",
    "css-letter-spacing": "letters stand as the font has them",
    "css-hyphens": "words are not broken",
    "css-box-sizing": "boxes grow by their padding",
    "css-text-wrap": "lines break as they come",
    "css-direction": "the dir attribute says the same",
    "css-mso": "it is for Outlook alone",
    "html-anchor-links": "the link does nothing",
    "html-doctype": "boxes are measured as of old, and tables hold them",
    "html-body": "the wrapper inside has the same style",
    "html-style": "what stands in the attributes is whole by itself",
    "html-meta-color-scheme": "the program darkens by its own rules",
    "html-aria-label": "the text of the element is read out",
    "html-aria-hidden": "it is read out too",
    "html-semantics": "it is shown as a plain box",
    "html-target": "the link opens where the program likes",
}
# Properties whose tests are filed under another name.
ALIASES = {
    **dict.fromkeys(("margin-top", "margin-right", "margin-bottom", "margin-left"), "css-margin"),
    **dict.fromkeys(("padding-top", "padding-right", "padding-bottom", "padding-left"), "css-padding"),
    **dict.fromkeys(
        [
            f"border-{side}{what}"
            for side in ("top", "right", "bottom", "left")
            for what in ("", "-color", "-width", "-style")
        ]
        + ["border-color", "border-width", "border-style"],
        "css-border",
    ),
    **dict.fromkeys(("top", "right", "bottom", "left"), "css-left-right-top-bottom"),
    "font-family": "css-font",
}
VALUES = (
    ("css-display-flex", r"^display:\s*(?:inline-)?flex"),
    ("css-display-grid", r"^display:\s*(?:inline-)?grid"),
    ("css-linear-gradient", r"linear-gradient\("),
    ("css-radial-gradient", r"radial-gradient\("),
    ("css-conic-gradient", r"conic-gradient\("),
    ("css-unit-calc", r"calc\("),
    ("css-function-clamp", r"clamp\("),
    ("css-function-min", r"\bmin\("),
    ("css-function-max", r"\bmax\("),
    *((f"css-unit-{unit}", rf"(?<![\w#-])[\d.]+{unit}\b") for unit in ("rem", "vw", "vh", "vmin", "vmax", "ch", "ex")),
    ("css-sytem-ui", r"system-ui"),
)
ELEMENTS = {
    **{f"h{level}": "html-h1-h6" for level in range(1, 7)},
    **dict.fromkeys(("ul", "ol", "li"), "html-lists"),
    **dict.fromkeys(
        ("article", "section", "nav", "header", "footer", "main", "aside", "figure", "figcaption"), "html-semantics"
    ),
}
ATTRIBUTES = (
    "align",
    "background",
    "cellpadding",
    "cellspacing",
    "dir",
    "height",
    "lang",
    "role",
    "srcset",
    "target",
    "valign",
    "width",
)
IMAGES = {"avif": "image-avif", "webp": "image-webp", "svg": "image-svg", "bmp": "image-bmp", "tiff": "image-tiff"}


def check(page: pages.Page) -> Iterator[Finding]:
    told: set[str] = set()
    for feature, where in used(page):
        if feature in told or feature in FALLBACKS:
            continue
        told.add(feature)
        if lacking := lacks(feature):
            what = f"{feature} is unknown to {', '.join(lacking)}"
            yield error("unsupported", where, what, "leave it out, or put it where only a style block needs it")


def lacks(feature: str) -> list[str]:
    """The programs that do not know it at all."""
    return [program for program, verdict in _features().get(feature, {}).items() if verdict == "n"]


@functools.cache
def _features() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(DATA.read_text(encoding="utf-8"))["features"]
    return found


def used(page: pages.Page) -> Iterator[tuple[str, str]]:
    """Features that stand in the document itself, each with a place."""
    for one in styles.declarations(page):
        if not one.selector:
            yield from ((feature, one.where) for feature in _of_declaration(one))
    for element in page.all():
        yield from ((feature, pages.place(element)) for feature in _of_element(element))
    if page.text.lstrip("\ufeff \n").lower().startswith("<!doctype"):
        yield "html-doctype", "html line 1"


def _of_declaration(one: styles.Declaration) -> Iterator[str]:
    if one.name.startswith("mso-"):
        yield "css-mso"
        return
    yield ALIASES.get(one.name, f"css-{one.name}")
    line = f"{one.name}:{one.value}".lower()
    yield from (feature for feature, pattern in VALUES if re.search(pattern, line))


def _of_element(element: pages.Element) -> Iterator[str]:
    tag = str(element.tag)
    yield ELEMENTS.get(tag, f"html-{tag}")
    yield from (f"html-{name}" for name in ATTRIBUTES if name in element.attrib)
    yield from (f"html-{name}" for name in element.attrib if str(name).startswith("aria-"))
    if tag == "meta" and element.get("name") == "color-scheme":
        yield "html-meta-color-scheme"
    if tag == "a" and (element.get("href") or "").startswith("#"):
        yield "html-anchor-links"
    if tag == "img":
        source = (element.get("src") or "").partition("?")[0].lower()
        if source.startswith("data:"):
            yield "image-base64"
        if (ending := source.rpartition(".")[2]) in IMAGES:
            yield IMAGES[ending]
