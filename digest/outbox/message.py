"""Mails as wire bytes: what all readers of a variant share is encoded once, a reader's own words are put between.

A Delivery's mail is a join of prepared pieces and a few personal ones, so it costs no encoding, no copy of the body
and no parsing per reader. Pure: it never sends, and reads no rows.
"""

import dataclasses
import enum
import hashlib
import html
from collections.abc import Mapping, Sequence
from typing import Any

from digest.outbox import mime, words


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """Where a reader's own value goes, and whether it stands in HTML there."""

    slot: enum.StrEnum
    is_html: bool


@dataclasses.dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A variant of an Edition, or a notice, ready to be joined with what is personal.

    `pieces` are shared bytes, empty at each place; `places` says what goes where.
    """

    pieces: tuple[bytes, ...]
    places: tuple[tuple[Place, tuple[int, ...]], ...]

    def render(self, values: Mapping[Any, str], headers: bytes) -> bytes:
        """The whole mail. `values` has a text for each slot; HTML escaping is done here, so never before."""
        parts = list(self.pieces)
        for place, positions in self.places:
            own = _encoded(place, values[place.slot])
            for position in positions:
                parts[position] = own
        parts.insert(0, headers)
        return b"".join(parts)


def prepare(html_segments: Sequence[str], text_segments: Sequence[str]) -> PreparedMessage:
    """Segments are text, or members of a StrEnum that name what is personal at that place."""
    text, page = _pieces(text_segments, is_html=False), _pieces(html_segments, is_html=True)
    boundary = _boundary(text + page)
    # RFC 2046 §5.1.4: the plainest part first. The CRLF before a delimiter belongs to the delimiter.
    opening = b'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="' + boundary + b'"\r\n\r\n'
    between = b"--" + boundary + b"\r\n"
    pieces = (opening + between + _part(b"plain"), *text, between + _part(b"html"), *page, b"--" + boundary + b"--\r\n")
    return _assembled(pieces)


def prepare_text(text_segments: Sequence[str]) -> PreparedMessage:
    """The same without HTML: one part, and no boundary around it."""
    return _assembled((b"MIME-Version: 1.0\r\n" + _part(b"plain"), *_pieces(text_segments, is_html=False)))


def _assembled(pieces: Sequence[bytes | Place]) -> PreparedMessage:
    """Pieces stay the objects they are: variants share blocks, and hundreds of variants are kept."""
    places: dict[Place, list[int]] = {}
    for position, piece in enumerate(pieces):
        if isinstance(piece, Place):
            places.setdefault(piece, []).append(position)
    shared = tuple(b"" if isinstance(piece, Place) else piece for piece in pieces)
    return PreparedMessage(shared, tuple((place, tuple(where)) for place, where in places.items()))


def _part(kind: bytes) -> bytes:
    return b"Content-Type: text/" + kind + b"; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"


def _pieces(segments: Sequence[str], *, is_html: bool) -> tuple[bytes | Place, ...]:
    return tuple(
        Place(segment, is_html) if isinstance(segment, enum.StrEnum) else mime.encode(segment)
        for segment in _finished(segments)
    )


def _finished(segments: Sequence[str]) -> list[str]:
    """A delimiter must start a line, and the line before it must not end in a soft break (RFC 2045 §6.7)."""
    *others, last = [segment for segment in segments if segment] or [""]
    if isinstance(last, enum.StrEnum) or not last.strip("\n"):
        return [*others, last, "\n\n"]
    return [*others, last if last.endswith("\n") else last + "\n"]


def _boundary(pieces: Sequence[bytes | Place]) -> bytes:
    """Told from the content, so that the same variant gives the same bytes on every machine.

    "=_" cannot occur in quoted-printable text, so no search for a free one is needed.
    """
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece if isinstance(piece, bytes) else piece.slot.encode())
    return b"=_" + digest.hexdigest()[:24].encode()


def _encoded(place: Place, value: str) -> bytes:
    if mime.PLAIN.fullmatch(value):
        return value.encode() + mime.SOFT_BREAK
    visible = words.clean(value)
    # Not mime.encode itself: its cache is for shared blocks, and a million names would push them out.
    return mime.encode_once(html.escape(visible) if place.is_html else visible)
