"""HTML of strangers made safe for mail and web pages, and made into plain text. Pure.

What leaves `clean` has absolute links, known tags, no styles, scripts, forms or tracking pixels. It is the only door
for foreign HTML: nobody else may mark text as safe.
"""

import functools
import html
import re
from collections import Counter

import nh3

from digest.articles import plain, weblinks
from digest.articles.pictures import tags

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
# Kept for a look at what an <img> is, by the first of two passes only.
_LOOKED_AT = _ATTRIBUTES | {"img": _ATTRIBUTES["img"] | tags.LOOKED_AT}
_SCHEMES = {"http", "https", "mailto", "tel"}
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
_BLOCK_TAG = re.compile(rf"<(?:{'|'.join(sorted(_BLOCKS - {'br'}))})\b")
_BARE = nh3.Cleaner(tags=_BLOCKS, attributes={}, clean_content_tags=_DROPPED, link_rel=None)
_TITLE_TAG = re.compile(
    rf"</?(?:{'|'.join(sorted(_INLINE))}|font|wbr|nobr|p|div|br|h[1-6]|big|tt|center)(?:\s[^<>]*)?/?>", re.IGNORECASE
)


def clean(markup: str, *, base: str) -> str:
    """Safe HTML. `base` is the absolute URL that relative ones stand against, or empty."""
    if not markup.strip():
        return ""
    base = base if weblinks.absolute(base) else ""
    known = _resolver(base).clean(_bounded(markup))
    # The second pass denies what could not be resolved; without it some known attacks get through. And it alone
    # decides what stays: nothing written between the two is trusted.
    return _cleaner("", is_last=True).clean(tags.mended(known, base)).strip()


def paragraphs(safe: str) -> str:
    """The same, in a paragraph if it has no block of its own."""
    if not safe or _BLOCK_TAG.search(safe):
        return safe
    return f"<p>{safe}</p>"


def text(markup: str) -> str:
    """What a reader sees, on one line, as plain text."""
    # With attributes gone a tag cannot hide a ">", and blocks become spaces where joining words would be wrong.
    bare = _BARE.clean(_bounded(markup))
    return plain.one_line(html.unescape(_TAG.sub(" ", bare)))


def title(markup: str) -> str:
    """A headline as plain text. Only known tags are markup here: in "Vec<T> and you" the rest is meant."""
    return plain.one_line(html.unescape(_TITLE_TAG.sub("", markup)))


def _bounded(markup: str) -> str:
    """The markup, or its plain text if it was made to keep an HTML parser busy."""
    # A parser that could run scripts, as nh3's does, reads the content of noscript as text and would show it.
    markup = re.sub(r"</?noscript\b[^<>]*>", "", markup, flags=re.IGNORECASE)
    deepest, count = _shape(markup)
    if deepest <= _DEEPEST and deepest * count <= _MOST_STEPS:
        return markup
    return html.escape(html.unescape(_TAG.sub(" ", markup)), quote=False)


def _shape(markup: str) -> tuple[int, int]:
    """How many elements are open at once at most, and how many tags there are."""
    opened: Counter[str] = Counter()
    now = deepest = count = 0
    for count, (slash, written) in enumerate(_TAG_NAME.findall(markup), start=1):  # noqa: B007 - the last one counts
        name = written.lower()
        if name in _FLAT or (slash and not opened[name]):
            continue
        step = -1 if slash else 1
        opened[name] += step
        now += step
        deepest = max(deepest, now)
    return deepest, count


def _resolver(base: str) -> nh3.Cleaner:
    """For the first pass. A base whose host is no domain by IDNA is refused there, and then none is as good."""
    try:
        return _cleaner(base, is_last=False)
    except ValueError:
        return _cleaner("", is_last=False)


@functools.lru_cache(maxsize=64)
def _cleaner(base: str, *, is_last: bool) -> nh3.Cleaner:
    """Kept, for setting one up takes longer than most texts."""
    relative = ("rewrite_with_base", base) if base else "pass_through"
    return nh3.Cleaner(
        tags=_BLOCKS | _INLINE,
        clean_content_tags=_DROPPED,
        attributes=_ATTRIBUTES if is_last else _LOOKED_AT,
        url_schemes=_SCHEMES,
        url_relative="deny" if is_last else relative,  # type: ignore[arg-type]
        link_rel=None,
        strip_comments=True,
    )
