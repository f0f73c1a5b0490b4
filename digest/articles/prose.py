"""The blocks of a cleaned Article as lines of plain text: paragraphs, quotes, lists, tables, code, captions. Pure.

One walk over the cleaner's output, which is well-formed; it stops when there is enough for a standfirst.
"""

import enum
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass

from digest.articles import plain


class Kind(enum.Enum):
    PARAGRAPH = enum.auto()
    QUOTE = enum.auto()
    ITEM = enum.auto()
    ROW = enum.auto()
    HEADING = enum.auto()
    CODE = enum.auto()
    CAPTION = enum.auto()


@dataclass(frozen=True, slots=True)
class Block:
    kind: Kind
    text: str


ENOUGH = 1200  # characters of paragraphs: some asides, and several standfirsts
_TOKEN = re.compile(r"<(/?)([a-z][a-z0-9]*)[^<>]*>|([^<]+)")
_HOLDERS = {
    "blockquote": Kind.QUOTE, "li": Kind.ITEM, "dt": Kind.ITEM, "dd": Kind.ITEM, "tr": Kind.ROW, "pre": Kind.CODE,
    "figcaption": Kind.CAPTION, "caption": Kind.CAPTION,
} | {f"h{level}": Kind.HEADING for level in range(1, 7)}  # fmt: skip
_BREAKS = {*_HOLDERS, "p", "div", "hr", "ul", "ol", "dl", "table", "thead", "tbody", "tfoot", "figure"}
_RAISED = str.maketrans("0123456789+-n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻ⁿ")
_LOWERED = str.maketrans("0123456789+-", "₀₁₂₃₄₅₆₇₈₉₊₋")


def blocks(safe: str) -> Iterator[Block]:
    walk = _Walk()
    room = ENOUGH
    for match in _TOKEN.finditer(safe):
        for block in walk.take(match):
            yield block
            room -= len(block.text) if block.kind is Kind.PARAGRAPH else 0
        if room < 0:
            return
    yield from walk.flush()


class _Walk:
    """What is open, and the text since the last break."""

    def __init__(self) -> None:
        self._open: list[str] = []
        self._parts: list[str] = []

    def take(self, token: re.Match[str]) -> Iterator[Block]:
        slash, name, text = token.groups()
        if text:
            self._parts.append(self._written(text))
            return
        if name == "br" and self._parts[-1:] == ["\n"]:
            yield from self.flush()  # old systems write two line breaks between paragraphs
        elif name == "br":
            self._parts.append("\n")
        elif name == "q":
            self._parts.append("”" if slash else "“")
        elif name in ("td", "th") and slash:
            self._parts.append(" · ")
        elif name in _BREAKS:
            yield from self.flush()
        self._note(name, bool(slash))

    def flush(self) -> Iterator[Block]:
        joined, self._parts = "".join(self._parts), []
        text = re.sub(r"(?: ·)+$|^(?:· )+", "", re.sub(r"· (?:· )+", "· ", plain.one_line(html.unescape(joined))))
        if text.strip("· "):
            yield Block(self._kind(), text)

    def _kind(self) -> Kind:
        return next((_HOLDERS[name] for name in reversed(self._open) if name in _HOLDERS), Kind.PARAGRAPH)

    def _note(self, name: str, is_end: bool) -> None:
        if name not in _HOLDERS and name not in ("sup", "sub", "a"):
            return
        if not is_end:
            self._open.append(name)
        elif name in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(name) :]

    def _written(self, text: str) -> str:
        """A raised number that is a link leads to a footnote, which is not there; others are powers and formulas."""
        if "sup" in self._open:
            return "" if "a" in self._open else _all(text, _RAISED)
        return _all(text, _LOWERED) if "sub" in self._open else text


def _all(text: str, letters: dict[int, int]) -> str:
    """In those letters if there is one for each."""
    return text.translate(letters) if all(ord(letter) in letters for letter in text.strip()) else text
