"""What a feed says of one item, as it stands there: unresolved, unsanitised, of any length. Data only.

`xmlfeed` and `jsonfeed` fill these, `parse` alone reads them: one piece of code cleans every kind of feed.
"""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Image:
    url: str
    alt: str = ""
    width: int = 0  # 0 is not known
    height: int = 0
    type: str = ""  # media type, if the feed names one
    bytes: int = 0  # 0 is not known


@dataclass(slots=True)
class Link:
    url: str
    title: str


@dataclass(slots=True)
class Item:
    """`base` is what relative URLs in the item stand against; `body_base` the same inside its HTML."""

    where: str
    base: str
    body_base: str = ""
    guid: str = ""
    url: str = ""
    title: str = ""  # HTML
    summary: str = ""  # HTML
    body: str = ""  # HTML
    author: str = ""  # HTML: arXiv puts a link there
    minutes: str = ""
    dates: list[str] = field(default_factory=list)  # the first readable one counts
    categories: list[str] = field(default_factory=list)
    images: list[Image] = field(default_factory=list)
    related: list[Link] = field(default_factory=list)


@dataclass(slots=True)
class Document:
    title: str
    items: list[Item]
    remarks: list[tuple[str, str]] = field(default_factory=list)  # where, reason: told to the operator as faults
