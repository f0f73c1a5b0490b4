"""What stands in a received mail: headers, both bodies, and the Articles it tells. Pure.

Reads the bytes with parsers of its own, as a mail program would: nothing here knows how the mail was written.
"""

import dataclasses
import email
import email.policy
import email.utils
from datetime import UTC, datetime
from email.message import EmailMessage
from functools import cached_property
from typing import NamedTuple, cast
from urllib.parse import urljoin

import lxml.html

from digest.demo.mailserver import Received
from digest.editions import tidy

# Long titles are cut in a mail; this much is always there, and tells Articles without an address apart.
TITLE = 100


class Name(NamedTuple):
    """What an Article is known by in a mail: where it leads, and how it begins."""

    url: str
    title: str


def name_of(url: str | None, title: str) -> Name:
    """The Name under which a mail tells this Article."""
    return Name(tidy.url(url) or "", tidy.line(title)[:TITLE])


@dataclasses.dataclass(frozen=True)
class Letter:
    received: Received

    @property
    def number(self) -> int:
        return self.received.number

    @property
    def recipient(self) -> str:
        return self.received.recipient

    @cached_property
    def message(self) -> EmailMessage:
        return email.message_from_bytes(self.received.content, policy=email.policy.default)

    def header(self, name: str) -> str:
        return " ".join(str(self.message.get(name, "")).split())

    @cached_property
    def at(self) -> datetime:
        """The Date header, which follows the virtual clock, in whole seconds."""
        return email.utils.parsedate_to_datetime(self.header("Date")).astimezone(UTC)

    @cached_property
    def subject(self) -> str:
        return self.header("Subject")

    @property
    def is_digest(self) -> bool:
        """Notices belong to no list."""
        return "List-Id" in self.message

    @property
    def unsubscribe_url(self) -> str:
        """What a mail program's own button posts to (RFC 8058)."""
        ways = [way.strip().strip("<>") for way in self.header("List-Unsubscribe").split(",")]
        return next((way for way in ways if way.startswith("http")), "")

    @cached_property
    def html(self) -> str:
        return self._part("html")

    @cached_property
    def text(self) -> str:
        return self._part("plain")

    @property
    def source(self) -> str:
        return self.received.content.decode("utf-8", "replace")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        return "" if part is None else cast(str, part.get_content())

    @cached_property
    def told(self) -> tuple[Name, ...]:
        """The Articles told in full or as a link, in reading order."""
        return told_in(self.html)

    @cached_property
    def more_url(self) -> str:
        """Where the list behind "and 12 more" is; empty if all are told."""
        links = [element.find(".//a") for element in _elements(self.html, "more")]
        return str(links[0].get("href")) if links and links[0] is not None else ""

    @cached_property
    def opening(self) -> str:
        """What mail programs show beside the subject."""
        found = _elements(self.html, "hello")
        return " ".join((found[0].text or "").split()) if found else ""

    @cached_property
    def pictures(self) -> tuple[str, ...]:
        """Where its pictures lie."""
        images = lxml.html.document_fromstring(self.html).iter("img") if self.html else ()
        return tuple(image.get("src", "") for image in images)


def told_in(html: str) -> tuple[Name, ...]:
    """The Articles a digest's HTML tells, in the mail or on its page."""
    return tuple(_name(element) for element in _elements(html, "headline", "subhead", "link"))


def next_page(html: str, address: str) -> str:
    """Where the list goes on; empty on its last page."""
    [*found] = lxml.html.document_fromstring(html).xpath("//a[@rel='next']/@href")
    return urljoin(address, found[0]) if found else ""


def _elements(html: str, *classes: str) -> list[lxml.html.HtmlElement]:
    """Elements our layout marks so. Not any link: pictures and related links lead to Articles, and tell none."""
    # A notice from elsewhere may be text alone.
    if not html:
        return []
    tags = lxml.html.document_fromstring(html).iter("h1", "h2", "h3", "li", "td", "p")
    return [element for element in tags if set(classes) & set((element.get("class") or "").split())]


def _name(element: lxml.html.HtmlElement) -> Name:
    link = element.find(".//a")
    if link is not None:
        return name_of(link.get("href"), link.text_content())
    # Without a link the title stands by itself, before the minutes.
    span = element.find("span")
    return name_of(None, (element if span is None or element.text else span).text or "")
