"""A feed's bytes as clean entries: the one door from foreign documents to our texts. Pure.

Takes RSS 0.9 to 2.0, Atom and JSON Feed. One bad item never stops the feed: it becomes a Fault that says where and
why. Only a document that is no feed at all raises.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from digest import errors
from digest.articles import dates, encoding, excerpt, headline, jsonfeed, plain, raw, sanitise, tree, weblinks, xmlfeed
from digest.articles.pictures import choice, kinds, noise, tags

MAX_ENTRIES = 1000  # some feeds hold a whole archive; what is older than this many items is never news
_TITLE = 500
_GUID = 500
# A longer article is cut: mail programs clip at 100 KB, and a thousand of these must fit into memory.
_BODY = 200_000
_CATEGORIES, _CATEGORY = 50, 100
_RELATED = 10
_AUTHOR = 200


class ParseError(errors.DigestError):
    """What the address answered is no feed."""


@dataclass(frozen=True, slots=True)
class Fault:
    where: str
    reason: str


@dataclass(frozen=True, slots=True)
class Related:
    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One item, cleaned. `body` is safe HTML, every other text is plain."""

    guid: str | None
    url: str | None
    title: str
    standfirst: str
    body: str
    image_url: str | None
    image_alt: str
    author: str
    minutes: int
    categories: tuple[str, ...]
    related: tuple[Related, ...]
    published_at: datetime | None
    content_hash: str
    image_width: int = 0  # in pixels of its own; 0 is not known
    image_height: int = 0
    image_kind: str = ""  # its format; empty is not known


@dataclass(frozen=True, slots=True)
class Feed:
    title: str
    entries: tuple[Entry, ...]
    faults: tuple[Fault, ...]


def read(document: bytes, *, url: str, content_type: str | None = None, max_entries: int = MAX_ENTRIES) -> Feed:
    """Raises ParseError, and nothing else, whatever the bytes."""
    if not document.strip(b"\x00 \t\r\n"):
        raise ParseError("the document is empty")
    text = encoding.text(document, content_type=content_type)
    found = _json(text, url, max_entries) or _xml(text, url, max_entries)
    if found is None:
        raise ParseError(_looks_like(document, text))
    entries, faults = [], [Fault(*remark) for remark in found.remarks]
    site = sanitise.title(found.title)[:_TITLE]
    for item in found.items:
        entry = clean(item, site=site)
        if isinstance(entry, Entry):
            entries.append(entry)
        else:
            faults.append(entry)
    return Feed(site, tuple(entries), tuple(faults))


def _json(text: str, url: str, max_entries: int) -> raw.Document | None:
    document = jsonfeed.load(text) if text.lstrip()[:1] == "{" else None
    if document is None:
        return None
    found = jsonfeed.read(document, url=url, max_items=max_entries)
    return _remarked(found, len(document["items"]), max_entries)


def _xml(text: str, url: str, max_entries: int) -> raw.Document | None:
    shorter, count = tree.cut(text, max_items=max_entries)
    try:
        root = tree.read(shorter, url=url)
    except tree.Refused as refused:
        raise ParseError(str(refused)) from None
    if root is None or not xmlfeed.is_feed(root):
        return None
    return _remarked(xmlfeed.read(root, url=url, max_items=max_entries), count, max_entries)


def _remarked(found: raw.Document, count: int, max_entries: int) -> raw.Document:
    if count > max_entries:
        found.remarks.append(("feed", f"it has {count} items; only the first {max_entries} were read"))
    elif count > len(found.items) + len(found.remarks):
        lost = f"only {len(found.items)} of its {count} items could be read; the document is broken after them"
        found.remarks.append(("feed", lost))
    return found


def clean(item: raw.Item, *, site: str = "") -> Entry | Fault:
    """One item from wherever it came, safe and complete, or what is wrong with it."""
    url = weblinks.absolute(item.url, item.base)
    summary = sanitise.clean(item.summary[:_BODY], base=item.body_base)
    body = sanitise.paragraphs(sanitise.clean(item.body[:_BODY], base=item.body_base) if item.body else summary)
    text = sanitise.text(body)
    said = _said(item, text or sanitise.text(summary), url)
    if not said:
        return Fault(item.where, "has no title, no text and no link that could be used")
    title = headline.tidy(item.title, site=site, text=text) or said
    image = _image(item, body, summary)
    return Entry(
        guid=guid(item.guid),
        url=url,
        title=title,
        standfirst=excerpt.standfirst(summary if item.body else "", body, title=title),
        body=body,
        image_url=image.url if image else None,
        image_alt=image.alt[:_TITLE] if image else "",
        image_width=image.width if image and image.height else 0,
        image_height=image.height if image and image.width else 0,
        image_kind=image.kind if image else "",
        author=_author(item.author),
        minutes=excerpt.minutes(item.minutes, text),
        categories=_categories(item.categories),
        related=_related(item),
        published_at=dates.first(item.dates),
        # Of the title as the feed writes it: what we make of it may change, what it is must not.
        content_hash=excerpt.content_hash(said, text),
    )


def _said(item: raw.Item, text: str, url: str | None) -> str:
    """The item's own title, else the beginning of its text, else its address."""
    if own := sanitise.title(item.title[:_BODY]):
        return excerpt.shorten(own, _TITLE)
    return excerpt.shorten(text, 90) or (url or "").partition("://")[2][:_TITLE]


def guid(text: str) -> str | None:
    """A guid as it is kept; None where nothing is left of it."""
    cleaned = encoding.without_controls(text).strip()
    if len(cleaned) <= _GUID:
        return cleaned or None
    # Cut short, two of them could become one; hashed they stay apart.
    return "sha256:" + hashlib.sha256(cleaned.encode()).hexdigest()


def _image(item: raw.Item, body: str, summary: str) -> choice.Picture | None:
    """The one to show: what the feed calls the item's picture goes before those in its text."""
    shown = tags.read(body) or tags.read(summary)
    inside = {picture.url: picture for picture in shown}
    return choice.best([*_declared(item, inside), *shown])


def _declared(item: raw.Item, inside: dict[str, choice.Picture]) -> Iterator[choice.Picture]:
    for image in item.images:
        url = weblinks.absolute(image.url, item.base)
        if url and not noise.is_beacon(url):
            same = inside.get(url, choice.Picture(url))
            alt = choice.words((plain.decoded(sanitise.title(image.alt)), same.alt))
            is_heavy = image.bytes > kinds.HEAVIEST
            kind = kinds.HEAVY if is_heavy else kinds.of_type(image.type) or kinds.of_url(url)
            yield choice.Picture(url, alt, image.width or same.width, image.height or same.height, kind)


def _author(author: str) -> str:
    """RSS asks for `mail@example.org (Name)`: the name is shown, an address never."""
    name = plain.decoded(sanitise.text(author[:_BODY]))
    named = re.fullmatch(r"\S+@\S+ \((.+)\)", name)
    return "" if "@" in name and not named else (named[1] if named else name)[:_AUTHOR]


def _categories(names: list[str]) -> tuple[str, ...]:
    found = (sanitise.title(name)[:_CATEGORY] for name in names[: 4 * _CATEGORIES])
    return tuple(dict.fromkeys(name for name in found if name))[:_CATEGORIES]


def _related(item: raw.Item) -> tuple[Related, ...]:
    found: dict[str, Related] = {}
    for link in item.related:
        if url := weblinks.absolute(link.url, item.base):
            found.setdefault(url, Related(headline.tidy(link.title) or url, url))
    return tuple(found.values())[:_RELATED]


def _looks_like(document: bytes, text: str) -> str:
    start = text.lstrip()[:1000].lower()
    if start.startswith(("{", "[")):
        return "this is JSON, but not a JSON Feed (https://jsonfeed.org)"
    element = re.search(r"<([a-z_][\w:.-]{0,60})", start)
    if "<!doctype html" in start or (element and element[1] in ("html", "head", "body")):
        return "this is an HTML page, not a feed"
    if start.startswith("<"):
        return (
            f"this is XML, but neither RSS nor Atom (it begins with <{element[1]}>)"
            if element
            else "this is broken XML"
        )
    strange = sum(byte > 127 or byte < 9 for byte in document[:1000])
    if 0 in document[:1000] or strange * 3 > len(document[:1000]):
        return "this is a binary file, not a feed"
    return "this is plain text, not a feed"
