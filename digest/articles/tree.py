"""The text of an XML feed as an lxml tree: refuses bombs, cuts what is too long, mends what is broken. Pure.

libxml2 reads in linear time and recovers from nearly anything, but drops what it does not understand. So the few
mistakes that real feeds make by the thousand (bare ampersands, HTML entities, raw markup) are put right first.
"""

import html
import re
from collections.abc import Callable, Iterator
from typing import Any

from lxml import etree

from digest.articles import encoding

_ENTITY = re.compile(r"&(?:(#\d{1,7}|#[xX][0-9a-fA-F]{1,6})|([A-Za-z][A-Za-z0-9]{1,30}));|&")
# "<3", or a CDATA section that is never closed and would take the rest of the feed with it.
_ALONE = re.compile(r"<(?![A-Za-z_/!?])|<!\[CDATA\[")
_DECLARED = re.compile(
    r"""<!ENTITY\s+(\w{1,40})\s+(?:"([^"&%<]{0,100})"|'([^'&%<]{0,100})'|["'](&#\w{1,8};)["'])\s*>"""
)
_ITEM_START = re.compile(r"<(?:\w{1,20}:)?(?:item|entry)[\s>]")
_ITEM_END = re.compile(r"</(?:\w{1,20}:)?(?:item|entry)\s*>")
_ROOT = re.compile(r"<(?:\?xml|!DOCTYPE|rss|feed|rdf:RDF|channel|\w{1,20}:feed)\b")
# Elements whose content is text or HTML, so that tags inside them can safely be read as text.
_TEXTUAL = ("title", "description", "summary", "content:encoded", "dc:title", "dc:description", "itunes:summary")
_PREDEFINED = {"amp", "lt", "gt", "quot", "apos"}
_MAX_ENTITIES = 100  # a DTD of letters with accents has fewer

Node = Any  # lxml carries no types


class Refused(ValueError):
    """The document must not be expanded. `parse` tells it as a ParseError."""


def read(text: str, *, url: str) -> Node | None:
    """The root element, or None if no element could be made out. Raises Refused on an entity bomb."""
    # Warnings that a PHP server printed first, or plain white space: libxml2 wants the feed to begin at once.
    start = _ROOT.search(text, 0, 20_000)
    text, entities = _without_doctype(text[start.start() :] if start else text)
    mended = _outside_cdata(text, lambda part: _letters_mended(part, entities))
    root, is_sound = _parsed(mended, url=url)
    return root if is_sound else _parsed(_raw_markup_escaped(mended), url=url)[0]


def cut(text: str, *, max_items: int) -> tuple[str, int]:
    """The text with no more than its first `max_items` items, and how many it had."""
    starts, ends = _places(text, _ITEM_START), _places(text, _ITEM_END)
    if len(starts) <= max_items or not ends or ends[-1].end() <= starts[max_items].start():
        return text, len(starts)
    return text[: starts[max_items].start()] + text[ends[-1].end() :], len(starts)


def local_name(node: Node) -> str:
    """The name without namespace or prefix; empty for comments and processing instructions."""
    if not isinstance(node.tag, str):
        return ""
    return str(node.tag).rpartition("}")[2].rpartition(":")[2].lower()


def _parsed(text: str, *, url: str) -> tuple[Node | None, bool]:
    # No entities, no DTD, no network: only characters and tags are read. Without huge_tree libxml2 also limits
    # depth (256) and one text (10 MB).
    parser = etree.XMLParser(
        recover=True, resolve_entities=False, load_dtd=False, no_network=True, huge_tree=False, remove_pis=True,
        remove_comments=True, encoding="utf-8",
    )  # fmt: skip
    body = re.sub(r"^\s*<\?xml[^>]*\?>", "", text, count=1)
    try:
        root = etree.fromstring(body.encode(), parser, base_url=url)
    except (etree.XMLSyntaxError, ValueError):
        return None, False
    return root, not any(
        entry.type_name in ("ERR_TAG_NAME_MISMATCH", "ERR_TAG_NOT_FINISHED") for entry in parser.error_log
    )


def _without_doctype(text: str) -> tuple[str, dict[str, str]]:
    """Take the DTD away; keep entities that stand for plain characters (old feeds declare their accents).

    One that refers to another could grow without bound ("billion laughs"), one from outside could read files.
    """
    element = re.search(r"<[A-Za-z_]", text)
    head = re.search(r"<!DOCTYPE", text[: element.start()] if element else text, re.IGNORECASE)
    if head is None:
        return text, {}
    bracket, close = text.find("[", head.end()), text.find(">", head.end())
    if close < 0:
        return "", {}
    if not 0 <= bracket < close:
        return text[: head.start()] + text[close + 1 :], {}
    end = re.compile(r"\]\s*>").search(text, bracket)
    subset = text[bracket : end.start() if end else len(text)]
    entities = {m[1]: html.unescape(m[2] or m[3] or m[4] or "") for m in _DECLARED.finditer(subset)}
    if subset.count("<!ENTITY") != len(entities) or len(entities) > _MAX_ENTITIES:
        raise Refused("it declares entities that refer to others or to files (an XML bomb)")
    return text[end.end() :] if end else "", entities


def _letters_mended(text: str, declared: dict[str, str]) -> str:
    def replaced(match: re.Match[str]) -> str:
        number, name = match.groups()
        if name in _PREDEFINED:
            return match[0]
        if not number and not name:
            return "&amp;"
        return html.escape(encoding.without_controls(declared.get(name) or html.unescape(match[0])))

    return _ENTITY.sub(replaced, _ALONE.sub(lambda match: "&lt;" if match[0] == "<" else "", text))


def _raw_markup_escaped(text: str) -> str:
    """`<title>One <br> two</title>` reads as text: an unclosed tag would swallow the rest of the feed otherwise."""
    names = "|".join(re.escape(name) for name in _TEXTUAL)
    opening = re.compile(rf"<({names})((?:\s[^<>]*)?)(?<!/)>")
    unclosed: set[str] = set()
    parts: list[str] = []
    place = 0
    while match := opening.search(text, place):
        inside = text[match.end() : _closing(text, match, unclosed)]
        parts += [text[place : match.end()], _outside_cdata(inside, _tags_escaped)]
        place = match.end() + len(inside)
    return "".join(parts) + text[place:]


def _closing(text: str, opening: re.Match[str], unclosed: set[str]) -> int:
    # A name once found unclosed stays so: searching again from each opening tag would be quadratic.
    end = -1 if opening[1] in unclosed else text.find(f"</{opening[1]}", opening.end())
    if end < 0:
        unclosed.add(opening[1])
    return max(end, opening.end())


def _tags_escaped(text: str) -> str:
    return text.replace("<", "&lt;").replace(">", "&gt;")


def _outside_cdata(text: str, change: Callable[[str], str]) -> str:
    return "".join(part if is_cdata else change(part) for part, is_cdata in _sections(text))


def _places(text: str, pattern: re.Pattern[str]) -> list[re.Match[str]]:
    """Where the pattern stands outside CDATA, with places counted in the whole text."""
    # Blanking keeps all offsets, so one search over the result will do.
    blanked = "".join(" " * len(part) if is_cdata else part for part, is_cdata in _sections(text))
    return list(pattern.finditer(blanked))


def _sections(text: str) -> Iterator[tuple[str, bool]]:
    """The text in turns outside and inside CDATA. A section never closed is no CDATA."""
    place = 0
    while (start := text.find("<![CDATA[", place)) >= 0 and (end := text.find("]]>", start)) >= 0:
        yield text[place:start], False
        yield text[start : end + 3], True
        place = end + 3
    yield text[place:], False
