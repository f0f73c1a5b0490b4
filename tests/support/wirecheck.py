"""A strict reader of finished mails, written apart from the code that writes them.

`faults` names everything RFC 5322, 2045, 2046, 2047 and 8058 or our own promises (7-bit, canonical body) forbid.
"""

import base64
import quopri
import re

ONCE = (
    "From To Subject Date Message-ID MIME-Version Content-Type Reply-To List-Id List-Unsubscribe List-Unsubscribe-Post"
)
FREE_TEXT = ("from", "to", "subject", "reply-to")
# Over the whole body at once: tests look at thousands of mails.
BODY_FAULTS = {
    "body line too long": re.compile(rb"^[^\r\n]{77,}", re.MULTILINE),
    "body line starts": re.compile(rb"^(?:\.|From )", re.MULTILINE),
    "white space that canonicalisation changes": re.compile(rb"[ \t](?=[ \t\r])|\t|[ \t]\Z"),
    "torn escape": re.compile(rb"^(?!--=_|Content-Type: ).*=(?![0-9A-F]{2}|\r\n)", re.MULTILINE),
    "a part ends in a soft break": re.compile(rb"=\r\n(?:\r\n)?--=_"),
}
ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bqBQ])\?([^?\s]*)\?=")


def faults(content: bytes, *, utf8_to: bool = False) -> list[str]:
    """What is wrong with this mail; an empty list for a good one."""
    found = _line_faults(content)
    head, _, body = content.partition(b"\r\n\r\n")
    if not (utf8_to or head.isascii()) or b"\x7f" in head:
        found.append("header is not 7-bit")
    if not body.isascii() or b"\x7f" in body:
        found.append("body is not 7-bit")
    found += _header_faults(head.decode("utf-8", "replace"))
    found += _body_faults(body)
    return found


def unfolded(content: bytes) -> dict[str, list[str]]:
    """Header name in lower case → values, unfolded but not decoded."""
    head = content.partition(b"\r\n\r\n")[0].decode()
    values: dict[str, list[str]] = {}
    for line in re.sub(r"\r\n(?=[ \t])", "", head).split("\r\n"):
        name, _, value = line.partition(":")
        values.setdefault(name.lower(), []).append(value.strip(" "))
    return values


def decoded(value: str) -> str:
    """An independent RFC 2047 decoder: white space between encoded-words vanishes."""
    value = re.sub(r"(\?=)\s+(?==\?)", r"\1", value)
    return ENCODED_WORD.sub(lambda word: _decode_word(*word.groups()), value)


def _decode_word(charset: str, encoding: str, text: str) -> str:
    if encoding in "bB":
        return base64.b64decode(text, validate=True).decode(charset)
    return quopri.decodestring(text.replace("_", " ")).decode(charset)


def _line_faults(content: bytes) -> list[str]:
    found = []
    if not content.endswith(b"\r\n"):
        found.append("does not end with CRLF")
    if re.search(rb"\r(?!\n)|(?<!\r)\n", content):
        found.append("bare CR or LF")
    if b"\x00" in content:
        found.append("NUL")
    found += [f"line of {len(line)}" for line in content.split(b"\r\n") if len(line) > 998]
    return found


def _header_faults(head: str) -> list[str]:
    found = []
    for line in head.split("\r\n"):
        if not re.match(r"[A-Za-z][A-Za-z-]*: \S|Subject:$|[ \t]\S", line):
            found.append(f"odd header line {line!r}")
        if line != line.rstrip():
            found.append(f"header line ends in white space: {line!r}")
        if len(line) > 78 and len(line.split()) > 2:
            found.append(f"header line not folded: {line!r}")
        if "=?" in line and len(line) > 76:
            found.append(f"line with encoded-word over 76: {line!r}")
    values = unfolded(head.encode() + b"\r\n\r\n")
    for name in ONCE.lower().split():
        if len(values.get(name, [])) > 1:
            found.append(f"{name} more than once")
    for name in ("from", "to", "date", "message-id", "mime-version"):
        if name not in values:
            found.append(f"no {name}")
    for name, texts in values.items():
        for text in texts:
            found += _word_faults(name, text)
    return found


def _word_faults(name: str, text: str) -> list[str]:
    if "=?" not in text:
        return []
    if name not in FREE_TEXT:
        return [f"encoded-word in {name}"]
    found = []
    for token in re.sub(r'"(?:[^"\\]|\\.)*"', "", text).split():
        word = ENCODED_WORD.fullmatch(token)
        if "=?" in token and (word is None or len(token) > 75):
            found.append(f"bad encoded-word {token!r}")
        elif word:
            _decode_word(*word.groups())
    if re.search(r'"[^"]*=\?[^"]*"', text):
        found.append(f"encoded-word in quotes: {text!r}")
    return found


def _body_faults(body: bytes) -> list[str]:
    return [f"{what}: {found[0][:60]!r}" for what, pattern in BODY_FAULTS.items() for found in pattern.finditer(body)]
