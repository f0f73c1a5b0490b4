"""What templates can do beyond Jinja: cut and wrap texts, fit a picture, write a link that forwards a story, a subject.

Pure; each is a small act on what a template has in hand.
"""

import urllib.parse
from typing import NamedTuple, Protocol

import jinja2

from digest import subjects
from digest.editions import tidy

# A mail program hands the whole link to another program, and some cut it at about 2,000 characters.
SHARED_TITLE = 150


class Pictured(Protocol):
    @property
    def image_width(self) -> int: ...
    @property
    def image_height(self) -> int: ...


class Linked(Protocol):
    @property
    def title(self) -> str: ...
    @property
    def url(self) -> str | None: ...


class Size(NamedTuple):
    """In pixels; a height of 0 is not known."""

    width: int
    height: int


def fit(story: Pictured, most: int) -> Size:
    """At most so wide, never wider than it is, and no taller than wide: a tall picture must not bury its story."""
    width, height = story.image_width, story.image_height
    if not (width and height):
        return Size(min(width or most, most), 0)
    share = min(1.0, most / width, most / height)
    return Size(max(round(width * share), 1), max(round(height * share), 1))


def mailto(story: Linked) -> str:
    """A link that opens a new mail with the story in it: no third party learns who shares what."""
    title = tidy.shorten(story.title, SHARED_TITLE)
    words = {"subject": title, "body": f"{title}\r\n{story.url or ''}"}
    return "mailto:?" + urllib.parse.urlencode(words, quote_via=urllib.parse.quote)


def subject(pattern: str, **words: object) -> str:
    return subjects.write(pattern, {name: str(word) for name, word in words.items()}, tidy.shorten)


def add(found: jinja2.Environment) -> None:
    found.filters.update(
        shorten=tidy.shorten, wrap=tidy.wrap, centre=tidy.centre, fit=fit, mailto=mailto, subject=subject
    )
