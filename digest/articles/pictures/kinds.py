"""Formats of pictures, and which of them every mail program shows. Told by name, declared type or first bytes. Pure.

Classic Outlook shows no WebP, and neither it nor Gmail shows AVIF or SVG: in their place stands an empty frame.
"""

import re
from urllib.parse import urlsplit

# What mail programs have shown for twenty years. A format we do not know passes for one of them: most addresses of
# pictures name none, and then it nearly always is a JPEG.
SHOWN_EVERYWHERE = frozenset({"", "jpeg", "png", "gif"})
# In place of a format: so many bytes that a phone would still be loading when its owner has gone on.
HEAVY, HEAVIEST = "heavy", 5_000_000
_NAMES = {"jpg": "jpeg", "pjpeg": "jpeg", "jfif": "jpeg", "svg+xml": "svg", "svgz": "svg", "x-png": "png",
          "tif": "tiff", "heif": "heic", "x-icon": "ico", "vnd.microsoft.icon": "ico"}  # fmt: skip
_KNOWN = {"jpeg", "png", "gif", "webp", "avif", "svg", "bmp", "tiff", "heic", "jxl", "ico"}
# Image services choose the format by a parameter: ?fm=webp, ?format=jpg, &f=avif.
_ASKED = re.compile(r"(?:^|&)(?:fm|f|format|output)=([a-z]{3,4})(?:&|$)", re.IGNORECASE)
_STARTS = ((b"\xff\xd8\xff", "jpeg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF8", "gif"), (b"BM", "bmp"),
           (b"II*\x00", "tiff"), (b"MM\x00*", "tiff"), (b"\xff\x0a", "jxl"), (b"\x00\x00\x01\x00", "ico"))  # fmt: skip
# ISO media files say by a brand what is in them (ISO/IEC 23008-12 §10, AV1 Image File Format §6).
_BRANDS = {b"avif": "avif", b"avis": "avif", b"heic": "heic", b"heix": "heic", b"mif1": "heic", b"msf1": "heic"}


def is_shown_everywhere(kind: str) -> bool:
    return kind in SHOWN_EVERYWHERE


def of_type(content_type: str | None) -> str:
    """By a media type such as "image/jpeg; q=1"; empty if that names no format we know."""
    written = (content_type or "").partition(";")[0].strip().lower()
    return _named(written.removeprefix("image/")) if written.startswith("image/") else ""


def of_url(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    asked = _ASKED.search(parts.query)
    ending = parts.path.rpartition("/")[2].rpartition(".")[2]
    return _named(asked[1] if asked else "") or _named(ending)


def of_bytes(start: bytes) -> str:
    """By the first bytes of a file, which no server can be wrong about."""
    for mark, kind in _STARTS:
        if start.startswith(mark):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp"
    if start[4:8] == b"ftyp":
        return _BRANDS.get(start[8:12], "")
    return "svg" if re.match(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!--|<!DOCTYPE svg|<svg)", start[:200]) else ""


def _named(name: str) -> str:
    lower = name.lower()
    known = _NAMES.get(lower, lower)
    return known if known in _KNOWN else ""
