"""Quoted-printable text whose bytes already are their own relaxed DKIM canonical form (RFC 6376 §3.4.4).

A piece starts at the start of a line and ends there too, so pieces encoded apart can be joined as they are.
Pure: bytes from text, no rows.
"""

import functools
import re

# RFC 2045 §6.7: at most 76 characters, the "=" of a soft line break included.
LINE_LIMIT = 76
SOFT_BREAK = b"=\r\n"

# All but printable ASCII is spelled out, and so is "=". Tabs too: canonicalisation would make them spaces. Of a run
# of spaces only the first stays, and none at the end of a line, so there is no white space left to reduce or strip.
_SPELLED_OUT = re.compile(rb"[^ -<>-~]|(?<= ) | $")
# What most slots hold: nothing in it needs spelling out, in HTML neither, and it fits one line.
PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,74}")


# Blocks are shared by all Editions of a Publication. Some thousand blocks of a few KB bound this to some 20 MB.
@functools.lru_cache(maxsize=2048)
def encode(text: str) -> bytes:
    """As `encode_once`, remembered: for what many mails share."""
    return encode_once(text)


def encode_once(text: str) -> bytes:
    """`text` as whole quoted-printable lines; an unfinished last line ends with a soft break."""
    if PLAIN.fullmatch(text):
        return text.encode() + SOFT_BREAK
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    *finished, last = (_spell_out(line) for line in lines)
    whole = b"".join(_wrap(line) + b"\r\n" for line in finished)
    return whole + _wrap(last) + SOFT_BREAK if last else whole


def _spell_out(line: str) -> bytes:
    # A lone surrogate must not stop a mail; it becomes a question mark.
    return _SPELLED_OUT.sub(lambda found: b"=%02X" % ord(found[0]), line.encode("utf-8", "replace"))


def _wrap(line: bytes) -> bytes:
    """`line` cut by soft breaks, each part at most 75 long so that a further soft break always fits."""
    parts = []
    while True:
        line = _guard_start(line)
        if len(line) < LINE_LIMIT:
            parts.append(line)
            return SOFT_BREAK.join(parts)
        cut = _cut(line)
        parts.append(line[:cut])
        line = line[cut:]


def _guard_start(line: bytes) -> bytes:
    """No line may start with a dot (SMTP would double it, and the signature break) or with mbox's "From "."""
    if line.startswith(b"."):
        return b"=2E" + line[1:]
    return b"=46" + line[1:] if line.startswith(b"From ") else line


def _cut(line: bytes) -> int:
    """Where to cut so that no =XX is torn apart."""
    escape = line.rfind(b"=", LINE_LIMIT - 3, LINE_LIMIT - 1)
    return escape if escape != -1 else LINE_LIMIT - 1
