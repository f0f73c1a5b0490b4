"""Pictures drawn for tests, and a Gatherer that may visit this machine."""

import dataclasses
import io
import struct
import zlib
from datetime import timedelta
from typing import Any

from PIL import Image

from digest.articles.pictures import gather
from tests.support.feeds import LIMITS

GATHERER = gather.Gatherer(LIMITS, measures=True)
SHY = dataclasses.replace(GATHERER, measures=False)


def a_picture(kind: str = "JPEG", size: tuple[int, int] = (800, 600), mode: str = "RGB", **options: Any) -> bytes:
    """Not of one colour, so that sizes mean something."""
    drawn = Image.linear_gradient("L").resize(size).convert(mode)
    content = io.BytesIO()
    drawn.save(content, kind, **options)
    return content.getvalue()


def a_turned_photograph() -> bytes:
    """Lying 800 × 600 pixels, to be shown standing; with a place and a camera's name in it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "A Camera"
    exif.get_ifd(0x8825)[2] = (52.0, 30.0, 0.0)
    return a_picture(exif=exif)


def a_bomb(width: int = 60_000, height: int = 60_000) -> bytes:
    """A PNG of some kilobytes that unpacks to gigabytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", header)
        + _chunk(b"IDAT", zlib.compress(bytes(3_000_000)))
        + _chunk(b"IEND", b"")
    )


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


def shown(url: str, kind: str = "image/jpeg") -> str:
    """As an item of a feed names its picture."""
    return f'<enclosure url="{url}" type="{kind}" length="9"/>'


LATER = timedelta(minutes=16)
