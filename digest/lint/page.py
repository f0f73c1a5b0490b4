"""The HTML part as a tree, and what is wrong with its build: structure, language, headings, images, tables (pure)."""

import re
from collections.abc import Iterator
from typing import Any

import lxml.etree
import lxml.html

from digest.lint.finding import Finding, error, hint, shown, warning

# Gmail shows some 102,400 bytes and hides the rest, with the way out in it.
BUDGET, CLIP = 90_000, 102_400
HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
FORBIDDEN = (
    "script",
    "form",
    "input",
    "button",
    "iframe",
    "object",
    "embed",
    "video",
    "audio",
    "base",
    "svg",
    "canvas",
)
# Sizes at which nobody looks at a picture, but it looks at them.
BEACON = 2
# Less text than this before the first story is no preview of anything.
OPENING = 25
# An lxml element; the library comes without types.
Element = Any
_EXTERNAL = re.compile(r"https?://", re.IGNORECASE)


class Page:
    """The decoded HTML, read as a browser would, with what it had to forgive."""

    def __init__(self, text: str) -> None:
        self.text = text
        parser = lxml.etree.HTMLParser(encoding="utf-8")
        # Conditional comments for Outlook are comments here, as for all other programs.
        root = lxml.etree.fromstring(text.encode("utf-8", "replace") or b"<html></html>", parser)
        self.root = root if root is not None else lxml.etree.Element("html")
        # Elements it does not know are the support matrix's to judge, and ids have a rule of their own.
        self.mistakes = [
            (entry.line, entry.message) for entry in parser.error_log if not entry.message.startswith(("Tag ", "ID "))
        ]

    def all(self, *tags: str) -> list[Element]:
        return [element for element in self.root.iter(*tags) if isinstance(element.tag, str)]

    @property
    def body(self) -> Element | None:
        return self.root.find("body")


def place(element: Element) -> str:
    return f"html line {element.sourceline or 0}"


def words(element: Element) -> str:
    """What a reader or a screen reader gets of it: its text, and the alternative texts of its pictures."""
    pieces = [str(element.xpath("string()"))]
    pieces += [image.get("alt", "") for image in element.iter("img")]
    return " ".join(" ".join(pieces).split())


def check(page: Page) -> Iterator[Finding]:
    yield from _size(page)
    yield from _document(page)
    yield from _headings(page)
    for image in page.all("img"):
        yield from _image(image)
    yield from _elements(page)
    yield from _opening(page)
    for line, message in page.mistakes[:5]:
        yield error("broken-html", f"html line {line}", message, "close what is open and name each attribute once")


def _size(page: Page) -> Iterator[Finding]:
    size = len(page.text.encode())
    if size > BUDGET:
        fate = "Gmail cuts it off" if size > CLIP else f"Gmail cuts off at {CLIP:,}"
        yield error("too-large", "html", f"has {size:,} bytes; {fate}", f"tell less: at most {BUDGET:,} bytes")


def _document(page: Page) -> Iterator[Finding]:
    root, body = page.root, page.body
    if not page.text.lstrip("\ufeff \n").lower().startswith("<!doctype html"):
        yield error(
            "no-doctype", "html line 1", "does not begin with <!DOCTYPE html>", "without it boxes are measured anew"
        )
    if not (root.findtext("head/title") or "").strip():
        yield error("no-title", "html head", "has no title", "screen readers say it first: repeat the subject")
    wrapper = next(iter(body), None) if body is not None else None
    for name in ("lang", "dir"):
        if not root.get(name):
            yield error(f"no-{name}", "html line 1", f"<html> has no {name}", f"say {name}=… on <html>")
        if wrapper is None or not wrapper.get(name):
            yield error(
                f"no-{name}-inside",
                "html body",
                f"no {name} on the first element of the body",
                f"repeat {name} there: webmail throws <html> and <body> away",
            )
    metas = {(meta.get("name") or meta.get("http-equiv") or "charset").lower() for meta in page.all("meta")}
    if "viewport" not in metas:
        yield warning("no-viewport", "html head", "has no viewport", "phones show it tiny without width=device-width")
    if "color-scheme" not in metas:
        yield hint("no-color-scheme", "html head", "has no color-scheme", "add 'light dark', or Apple Mail guesses")


def _headings(page: Page) -> Iterator[Finding]:
    found = [(int(element.tag[1]), element) for element in page.all(*HEADINGS)]
    first = [element for level, element in found if level == 1]
    if len(first) != 1:
        yield error("one-h1", "html", f"has {len(first)} <h1>", "give it exactly one: what this mail is")
    before = 0
    for level, element in found:
        if before and level > before + 1:
            what = f"<h{level}> follows <h{before}>: {shown(words(element))}"
            yield error("heading-order", place(element), what, "leave out no level")
        if not words(element):
            yield error("empty-heading", place(element), f"<h{level}> says nothing", "remove it")
        before = level


def _image(image: Element) -> Iterator[Finding]:
    where, source = place(image), image.get("src", "")
    if "alt" not in image.attrib:
        yield error("no-alt", where, f"a picture without alt: {shown(source)}", 'describe it, or write alt=""')
    if not _EXTERNAL.match(source):
        yield error("image-address", where, f"a picture at {shown(source)}", "write a whole https address")
    elif source.startswith("http:"):
        yield warning("image-not-https", where, f"a picture at {shown(source)}", "webmail shows https only")
    width, height = (_pixels(image.get(name)) for name in ("width", "height"))
    if width is None:
        yield error("no-width", where, f"a picture without width: {shown(source)}", "Outlook shows it at its own size")
    if height is None:
        yield hint("no-height", where, f"a picture without height: {shown(source)}", "the page jumps as it loads")
    if width is not None and height is not None and max(width, height) <= BEACON:
        yield error("beacon", where, f"a picture nobody sees: {shown(source)}", "remove it: it only watches readers")


def _pixels(text: str | None) -> int | None:
    found = re.fullmatch(r"\s*(\d+)(?:px|%)?\s*", text or "")
    return int(found[1]) if found else None


def _elements(page: Page) -> Iterator[Finding]:
    seen: set[str] = set()
    for element in page.all():
        where = place(element)
        if element.tag in FORBIDDEN or (element.tag == "link" and "stylesheet" in element.get("rel", "")):
            yield error("forbidden", where, f"<{element.tag}>", "remove it: mail programs do, or refuse the mail")
        if element.tag == "table" and element.get("role") not in ("presentation", "none"):
            what = "a table that is read out as one"
            yield error("table-role", where, what, 'write role="presentation" where it only places things')
        if element.tag == "style" and element.getparent() is not None and element.getparent().tag != "head":
            yield error("style-place", where, "<style> outside of <head>", "Gmail heeds it in the head only")
        for name in element.attrib:
            if str(name).lower().startswith("on"):
                yield error("handler", where, f"{name}=", "remove it: nothing runs in a mail")
        if (identity := element.get("id")) is not None:
            if identity in seen:
                yield error("same-id", where, f"id {shown(identity)} stands twice", "an id is there once")
            seen.add(identity)


def _opening(page: Page) -> Iterator[Finding]:
    """What stands beside the subject in the list of mails is the first text there is."""
    body = page.body
    first = next((" ".join(text.split()) for text in body.itertext() if text.strip()), "") if body is not None else ""
    if len(first) < OPENING:
        yield warning(
            "no-opening", "html body", f"begins with {shown(first)}", "begin with a sentence that says what is inside"
        )
