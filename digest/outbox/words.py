"""Free text in headers: cleaned, then plain, quoted or RFC 2047 encoded, as tokens to fold between.

Names and subjects come from strangers: line breaks, controls and direction overrides are taken out here. Pure.
"""

import base64
import re
import string
import unicodedata

# RFC 2047 §2: a line with an encoded-word holds at most 76 characters, the header's name included.
WORD_LIMIT = 62
# Longer names are jokes or attacks; the limit keeps a header from filling a page.
NAME_LIMIT = 120
SUBJECT_LIMIT = 400

# An ASCII word this long could not be folded, so it is encoded, which can be split anywhere.
_LONG = re.compile(r"\S{61}")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
# What Q encoding may leave alone in a phrase (RFC 2047 §5.3); the same serves a Subject.
_Q_SAFE = frozenset(string.ascii_letters + string.digits + "!*+-/")
# Embeddings, overrides and isolates could turn the text after a name around. Marks and joiners stay: scripts need them.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: str) -> str:
    """One line of visible text: controls and direction overrides become spaces, runs of space become one."""
    if not text.isprintable():
        text = "".join(" " if _is_unwanted(letter) else letter for letter in text)
    return " ".join(text.split())


def _is_unwanted(letter: str) -> bool:
    # Cc controls, Cs lone surrogates (no UTF-8 for them), Zl and Zp line breaks that are not called controls.
    return letter in _DIRECTION or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


def unstructured(text: str) -> list[str]:
    """A Subject as tokens."""
    cleaned = clean(text)[:SUBJECT_LIMIT].strip()
    return cleaned.split() if is_plain(cleaned) else _encoded(cleaned)


def phrase(text: str) -> list[str]:
    """A display name as tokens: atoms, else a quoted string, else encoded-words; nothing for no name."""
    cleaned = clean(text)[:NAME_LIMIT].strip()
    if not cleaned:
        return []
    if not is_plain(cleaned):
        return _encoded(cleaned)
    if _ATOMS.fullmatch(cleaned):
        return cleaned.split(" ")
    escaped = cleaned.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'.split(" ")


def is_plain(text: str) -> bool:
    """Whether cleaned text can stand in a header without being encoded."""
    # "=?" would be decoded by the reader's program although nobody encoded it.
    return text.isascii() and "=?" not in text and not _LONG.search(text)


def _encoded(text: str) -> list[str]:
    """Encoded-words, each of whole characters (RFC 2047 §5), in the shorter of the two encodings."""
    encode = min((_q, _b), key=lambda way: len(way(text)))
    found, current = [], ""
    for letter in text:
        if current and len(encode(current + letter)) > WORD_LIMIT:
            found.append(encode(current))
            current = ""
        current += letter
    return [*found, encode(current)]


def _q(text: str) -> str:
    return "=?utf-8?q?" + "".join(map(_q_letter, text)) + "?="


def _q_letter(letter: str) -> str:
    if letter == " ":
        return "_"
    return letter if letter in _Q_SAFE else "".join(f"={byte:02X}" for byte in letter.encode())


def _b(text: str) -> str:
    return "=?utf-8?b?" + base64.b64encode(text.encode()).decode() + "?="
