"""Marks and sentinels: how one inlined document is cut into blocks, and how blocks become a mail again.

A mark is a comment before each piece but the first; a sentinel stands for a value only a variant or only the reader
knows. Both carry a nonce nobody outside can know, and none of it is left in what is sent. Pure.
"""

import enum
import html
import re
import secrets
import urllib.parse
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from digest.editions import tidy


class Slot(enum.StrEnum):
    """What only the hand-over knows: filled per reader, never here."""

    TOKEN = "token"


class Fill(enum.StrEnum):
    """What a variant says in its own words."""

    SUBJECT = "subject"
    DATES = "dates"
    OPENING = "opening"
    WHY = "why"
    KICKER = "kicker"
    MORE = "more"


class Place(enum.Enum):
    """Where a value is put decides how it is escaped."""

    PLAIN = "plain"
    TEXT = "text"
    ATTRIBUTE = "attribute"
    URL = "url"


@dataclass(frozen=True)
class Gap:
    """A place in a block that a variant fills."""

    fill: Fill
    place: Place


Segment = str | Slot
Block = tuple[Segment | Gap, ...]
SLOTS = {slot.value: slot for slot in Slot}
URL_ATTRIBUTE = re.compile(r"""\b(?:href|src)\s*=\s*["']?[^"'\s]*\Z""", re.IGNORECASE)


class CutError(Exception):
    """Marks or sentinels were lost, doubled or moved between rendering and cutting."""


class Marks:
    """The marks and sentinels of one process. Blocks cut by one Marks live as long as it does."""

    def __init__(self) -> None:
        # 64 bits that never leave the process: an Article cannot contain them but by a leak.
        self.nonce = secrets.token_hex(8)
        self._mark = re.compile(f"<!--{self.nonce} ([0-9]+)-->")
        self._sentinel = re.compile(f"@@{self.nonce}-([a-z]+)@@")
        self._any = re.compile(f"{self._mark.pattern}|{self._sentinel.pattern}")

    def mark(self, index: int) -> str:
        # The first piece begins with the doctype, and nothing may stand before that.
        return f"<!--{self.nonce} {index}-->" if index else ""

    def sentinel(self, name: Slot | Fill) -> str:
        return f"@@{self.nonce}-{name.value}@@"

    def without(self, text: str) -> str:
        """The text with the nonce taken out, should it ever have leaked into an Article."""
        return text.replace(self.nonce, "")

    def tally(self, document: str) -> list[tuple[str, str]]:
        """Every mark and sentinel in order: equal before and after inlining, or the result cannot be used."""
        return self._any.findall(document)

    def cut(self, document: str, count: int, *, is_html: bool) -> list[Block]:
        """The document as `count` blocks in the order they were rendered."""
        first, *rest = self._mark.split(document)
        if [int(index) for index in rest[::2]] != list(range(1, count)):
            raise CutError(f"expected {count} pieces, found the marks {rest[::2]}")
        return [self._block(piece, is_html=is_html) for piece in (first, *rest[1::2])]

    def _block(self, piece: str, *, is_html: bool) -> Block:
        parts = self._sentinel.split(piece)
        if any(self.nonce in text for text in parts[::2]):
            raise CutError("a sentinel was broken")
        segments: list[Segment | Gap] = []
        for text, name in zip(parts[::2], [*parts[1::2], ""], strict=True):
            segments.extend([text] if text else [])
            if name:
                before = "".join(str(segment) for segment in segments if isinstance(segment, str))
                segments.append(_segment(name, _place(before) if is_html else Place.PLAIN))
        return tuple(segments)


def _segment(name: str, place: Place) -> Slot | Gap:
    return SLOTS[name] if name in SLOTS else Gap(Fill(name), place)


def _place(before: str) -> Place:
    tag = before[before.rfind("<") + 1 :]
    if ">" in tag or "<" not in before:
        return Place.TEXT
    return Place.URL if URL_ATTRIBUTE.search(tag) else Place.ATTRIBUTE


def join(cut: Iterable[Block], words: Mapping[Fill, str]) -> tuple[Segment, ...]:
    """The blocks one after the other, each gap filled with its words, escaped for the place they stand in."""
    return tuple(_escaped(part, words) if isinstance(part, Gap) else part for block in cut for part in block)


def _escaped(gap: Gap, words: Mapping[Fill, str]) -> str:
    return ESCAPES[gap.place](words[gap.fill])


# Quotes stay as they are in text, as the inliner leaves them: join and inlining the subset agree byte for byte.
ESCAPES: dict[Place, Callable[[str], str]] = {
    Place.PLAIN: tidy.wrap,
    Place.TEXT: lambda value: html.escape(value, quote=False),
    Place.ATTRIBUTE: lambda value: html.escape(value, quote=True),
    Place.URL: lambda value: urllib.parse.quote(value, safe=""),
}
