"""Compressed HTTP bodies, unpacked as they arrive and never beyond a limit. Pure.

A few kilobytes can unpack to gigabytes, so each step is told how much room is left and stops there.
"""

import zlib
from typing import Protocol

import brotli


class UnpackError(Exception):
    """The text says why the body cannot be used. Never leaves `fetch`."""


class Unpacker(Protocol):
    def add(self, packed: bytes, *, room: int) -> bytes:
        """What these bytes unpack to. Raises UnpackError if that is more than `room`, or they are damaged."""
        ...

    def end(self) -> None:
        """Raises UnpackError if the body stopped in the middle."""
        ...


def unpacker(coding: str) -> Unpacker:
    """For a Content-Encoding header (RFC 9110 §8.4). One coding only: no server packs a feed twice in good faith."""
    name = coding.strip().lower()
    if name in ("", "identity"):
        return _Plain()
    if name in ("gzip", "x-gzip"):
        return _Zlib(16 + zlib.MAX_WBITS)
    if name == "deflate":
        return _Zlib(zlib.MAX_WBITS)
    if name == "br":
        return _Brotli()
    raise UnpackError("the body is packed in a way we did not ask for")


class _Plain:
    def add(self, packed: bytes, *, room: int) -> bytes:
        return _within(packed, room)

    def end(self) -> None:
        pass


class _Zlib:
    def __init__(self, window: int) -> None:
        self._window = window
        self._member = zlib.decompressobj(window)
        self._started = False

    def add(self, packed: bytes, *, room: int) -> bytes:
        out = b""
        while packed:
            # One byte more than there is room for tells "full" from "too large"; 0 would mean without limit.
            out = _within(out + self._step(packed, room - len(out) + 1), room)
            packed = self._member.unconsumed_tail or self._member.unused_data
            if self._member.eof:
                packed = self._next_member(packed)
        return out

    def end(self) -> None:
        if self._started and not self._member.eof:
            raise UnpackError("the body stopped in the middle")

    def _step(self, packed: bytes, limit: int) -> bytes:
        try:
            out = self._member.decompress(packed, limit)
        except zlib.error:
            if self._started or self._window != zlib.MAX_WBITS:
                raise UnpackError("the packed body is damaged") from None
            # Half the servers mean raw deflate by "deflate", against RFC 9110 §8.4.1.2.
            self._window = -zlib.MAX_WBITS
            self._member = zlib.decompressobj(self._window)
            return self._step(packed, limit)
        self._started = True
        return out

    def _next_member(self, rest: bytes) -> bytes:
        """gzip files may be several put together; anything else after the end is padding."""
        if self._window < 16 or not rest.startswith(b"\x1f\x8b"):
            return b""
        self._member = zlib.decompressobj(self._window)
        return rest


class _Brotli:
    def __init__(self) -> None:
        self._stream = brotli.Decompressor()
        self._started = False

    def add(self, packed: bytes, *, room: int) -> bytes:
        self._started = True
        out = b""
        try:
            while packed or not self._stream.can_accept_more_data():
                out = _within(out + self._stream.process(packed, output_buffer_limit=room - len(out) + 1), room)
                packed = b""
        except brotli.error:
            raise UnpackError("the packed body is damaged") from None
        return out

    def end(self) -> None:
        if self._started and not self._stream.is_finished():
            raise UnpackError("the body stopped in the middle")


def _within(body: bytes, room: int) -> bytes:
    if len(body) > room:
        raise UnpackError("the body is larger than allowed")
    return body
