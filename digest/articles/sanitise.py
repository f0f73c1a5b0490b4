"""HTML of strangers made safe for mail and web pages, and made into plain text. Pure.

What leaves `clean` has absolute links, known tags, no styles, scripts, forms or tracking pixels. It is the only door
for foreign HTML: nobody else may mark text as safe.
"""

import html
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

import nh3

from digest.articles import weblinks

_BLOCKS = {
    "p", "div", "br", "ul", "ol", "li", "dl", "dt", "dd", "blockquote", "pre", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
    "table", "thead", "tbody", "tfoot", "tr", "td", "th", "caption", "figure", "figcaption",
}  # fmt: skip
_INLINE = {
    "a", "abbr", "b", "cite", "code", "del", "em", "i", "img", "ins", "kbd", "mark", "q", "s", "samp", "small", "span",
    "strong", "sub", "sup", "u", "var", "time",
}  # fmt: skip
# Content of these is no text for readers; nh3 drops the tags of all others and keeps what stands inside.
_DROPPED = {
    "script", "style", "title", "textarea", "select", "object", "svg", "math", "template", "button", "audio", "video",
    "iframe", "noembed", "noframes",
}  # fmt: skip
# No style, class or id: they would meet the mail's own style sheet, and premailer trips over some of them.
_ATTRIBUTES = {
    "a": {"href", "title"},
    "img": {"src", "alt", "title", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan"},
    "ol": {"start"},
    "*": {"lang", "dir"},
}
_SCHEMES = {"http", "https", "mailto", "tel"}
# nh3 writes attributes in double quotes and escapes ">" in them, so these read its output safely.
_IMAGE = re.compile(r"<img\b[^>]*>")
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_TAG = re.compile(r"<[^<>]*>")
# These need no end tag, so many of them say nothing about depth.
_FLAT = {
    "p", "li", "dt", "dd", "tr", "td", "th", "thead", "tbody", "tfoot", "option", "optgroup", "br", "img", "hr", "wbr",
    "col", "input", "link", "meta", "source", "track", "area", "base", "embed", "param", "rp", "rt",
}  # fmt: skip
_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/<>]{0,30})")
# An HTML parser walks up the tree at each tag, and reopens what stays open in each paragraph: 200 KB of unclosed tags
# took it more than a minute. Honest articles are below 40 deep with some thousand tags.
_DEEPEST, _MOST_STEPS = 256, 500_000
# Beacons that carry a size of their own or none; the rest is known by 1x1.
_BEACON = re.compile(
    r"^https?://(?:feeds\.feedburner\.com/~r/|pixel\.wp\.com/|stats\.wordpress\.com/b\.gif|[^/]*/pixel\.gif)"
)
_BLOCK_TAG = re.compile(rf"<(?:{'|'.join(sorted(_BLOCKS - {'br'}))})\b")
_TITLE_TAG = re.compile(
    rf"</?(?:{'|'.join(sorted(_INLINE))}|font|wbr|nobr|p|div|br|h[1-6]|big|tt|center)(?:\s[^<>]*)?/?>", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Picture:
    url: str
    alt: str
    width: int = 0  # 0 is not known
    height: int = 0


def clean(markup: str, *, base: str) -> str:
    """Safe HTML. `base` is the absolute URL that relative ones stand against, or empty."""
    markup = _bounded(markup)
    if weblinks.absolute(base):
        markup = _nh3(markup, ("rewrite_with_base", base))
    # The second pass denies what could not be resolved; without it some known attacks get through.
    safe = _nh3(markup, "deny")
    return _IMAGE.sub(lambda match: "" if _is_pixel(match[0]) else match[0], safe).strip()


def paragraphs(safe: str) -> str:
    """The same, in a paragraph if it has no block of its own."""
    if not safe or _BLOCK_TAG.search(safe):
        return safe
    return f"<p>{safe}</p>"


def text(markup: str) -> str:
    """What a reader sees, on one line, as plain text."""
    # With attributes gone a tag cannot hide a ">", and blocks become spaces where joining words would be wrong.
    bare = nh3.clean(_bounded(markup), tags=_BLOCKS, attributes={}, clean_content_tags=_DROPPED, link_rel=None)
    return one_line(html.unescape(_TAG.sub(" ", bare)))


def title(markup: str) -> str:
    """A headline as plain text. Only known tags are markup here: in "Vec<T> and you" the rest is meant."""
    return one_line(html.unescape(_TITLE_TAG.sub("", markup)))


def one_line(plain: str) -> str:
    # Soft hyphens, zero-width spaces and direction overrides: invisible, and a headline's way to lie.
    visible = re.sub("[\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069]", "", plain)
    return " ".join(unicodedata.normalize("NFC", re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", visible)).split())


def pictures(safe: str) -> list[Picture]:
    """Pictures of cleaned HTML, in order."""
    found = (_attributes(match[0]) for match in _IMAGE.finditer(safe))
    return [
        Picture(image["src"], one_line(image.get("alt", "")), pixels(image.get("width")), pixels(image.get("height")))
        for image in found
        if "src" in image
    ]


def pixels(written: str | None) -> int:
    """A width or height attribute in pixels; 0 if it says nothing one could use, such as "100%"."""
    match = re.fullmatch(r"\s*(\d{1,5})(?:\.\d+)?(?:px)?\s*", written or "", re.ASCII)
    return int(match[1]) if match else 0


def _bounded(markup: str) -> str:
    """The markup, or its plain text if it was made to keep an HTML parser busy."""
    # A parser that could run scripts, as nh3's does, reads the content of noscript as text and would show it.
    markup = re.sub(r"</?noscript\b[^<>]*>", "", markup, flags=re.IGNORECASE)
    deepest, tags = _shape(markup)
    if deepest <= _DEEPEST and deepest * tags <= _MOST_STEPS:
        return markup
    return html.escape(html.unescape(_TAG.sub(" ", markup)), quote=False)


def _shape(markup: str) -> tuple[int, int]:
    """How many elements are open at once at most, and how many tags there are."""
    opened: Counter[str] = Counter()
    now = deepest = tags = 0
    for tags, (slash, written) in enumerate(_TAG_NAME.findall(markup), start=1):  # noqa: B007 - the last one counts
        name = written.lower()
        if name in _FLAT or (slash and not opened[name]):
            continue
        step = -1 if slash else 1
        opened[name] += step
        now += step
        deepest = max(deepest, now)
    return deepest, tags


def _nh3(markup: str, relative: str | tuple[str, str]) -> str:
    return nh3.clean(
        markup,
        tags=_BLOCKS | _INLINE,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        url_relative=relative,  # type: ignore[arg-type]
        link_rel=None,
        strip_comments=True,
    )


def _attributes(tag: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag)}


def _is_pixel(tag: str) -> bool:
    image = _attributes(tag)
    small = {image.get("width", "").removesuffix("px"), image.get("height", "").removesuffix("px")} & {"0", "1"}
    return "src" not in image or bool(small) or bool(_BEACON.match(image["src"]))
