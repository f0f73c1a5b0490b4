"""Bytes of a document as text, whatever they claim to be. Pure.

What a server or an XML declaration says about the encoding is often wrong, so the bytes are asked first: a byte
order mark, then valid UTF-8, then what was declared. Never raises; what cannot be read becomes U+FFFD.
"""

import codecs
import re

# UTF-32 first: its little-endian mark begins with the one of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The WHATWG rule: who says latin-1 or ASCII means windows-1252, whose curly quotes fill the C1 range.
_MEANT = {"iso8859-1": "cp1252", "ascii": "cp1252", "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932"}
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]{1,40})["']""")
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([\w.:-]{1,40})""", re.IGNORECASE)
# XML 1.0 §2.2 allows no other control characters; NUL would also end a string in PostgreSQL. Lone surrogates
# cannot be stored as UTF-8.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")


def text(document: bytes, *, content_type: str | None = None) -> str:
    for mark, name in _MARKS:
        if document.startswith(mark):
            return without_controls(document[len(mark) :].decode(name, "replace"))
    for name in (*_shapes(document), "utf-8", *_claims(document, content_type)):
        decoded = _decoded(document, name)
        if decoded is not None:
            return without_controls(decoded)
    return without_controls(document.decode("utf-8", "replace"))


def without_controls(text: str) -> str:
    return _FORBIDDEN.sub("", text)


def _shapes(document: bytes) -> list[str]:
    """Encodings that would pass for UTF-8 but show themselves: unmarked UTF-16, and Japanese by escape sequences."""
    if document.startswith(b"<\x00"):
        return ["utf-16-le"]
    if document.startswith(b"\x00<"):
        return ["utf-16-be"]
    return ["iso2022_jp"] if b"\x1b$B" in document else []


def _claims(document: bytes, content_type: str | None) -> list[str]:
    """Encodings in the order of trust: HTTP, XML declaration, HTML meta; at last the web's default."""
    said = _CHARSET.search(content_type or "")
    found = [said[1]] if said else []
    found += [match[1].decode("ascii", "replace") for p in (_DECLARED, _META) if (match := p.search(document[:2048]))]
    return [*found, "cp1252"]


def _decoded(document: bytes, name: str) -> str | None:
    try:
        known = codecs.lookup(name).name
        # bytes.decode refuses codecs that make no text (hex, zip); these do, but slowly or never in a feed.
        if known in ("idna", "punycode", "utf-7", "unicode_escape", "raw_unicode_escape"):
            return None
        return document.decode(_MEANT.get(known, known))
    except (LookupError, ValueError):
        return None


def sound(text: str) -> str:
    """Without halves of characters, which JSON can spell ("\\ud83d") and no database or mail can hold."""
    return text.encode("utf-8", "replace").decode("utf-8")
