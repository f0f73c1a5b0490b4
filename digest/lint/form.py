"""The form of a mail on its way: line ends, lengths, bytes, and its parts' encoding (RFC 5322, 2045, 2046). Pure."""

import re
from collections.abc import Iterator

from digest.lint.finding import Finding, error, hint, shown, warning
from digest.lint.letter import Letter, Part

# RFC 5322 §2.1.1, without the line end.
LONGEST_LINE = 998
# RFC 2045 §6.7.
LONGEST_QUOTED_LINE = 76
_TORN = re.compile(rb"=(?![0-9A-F]{2}|\r?\n|\Z)")


def check(letter: Letter) -> Iterator[Finding]:
    yield from _bytes(letter)
    yield from _structure(letter)
    for part in letter.parts:
        if part.encoding == "quoted-printable":
            yield from _quoted(part)


def _bytes(letter: Letter) -> Iterator[Finding]:
    if bare := re.search(rb"\r(?!\n)|(?<!\r)\n", letter.content):
        yield error(
            "bare-line-end",
            f"line {_line(letter.content, bare.start())}",
            "a line ends in CR or LF alone",
            "end every line with CRLF; servers refuse or repair anything else, and repairs break signatures",
        )
    for number, line in enumerate(letter.content.split(b"\n"), 1):
        if len(line.removesuffix(b"\r")) > LONGEST_LINE:
            yield error("long-line", f"line {number}", f"has {len(line)} bytes", f"keep lines below {LONGEST_LINE + 1}")
            break
    if b"\x00" in letter.content:
        yield error("nul", f"line {_line(letter.content, letter.content.index(0))}", "holds a NUL byte", "remove it")
    if not letter.body.isascii():
        yield error(
            "eight-bit",
            "body",
            "has bytes beyond ASCII",
            "encode the parts as quoted-printable: it passes every relay, and what was signed stays as it was",
        )
    if not letter.head.isascii():
        yield warning(
            "eight-bit-header",
            "header",
            "has bytes beyond ASCII",
            "use encoded-words (RFC 2047); raw UTF-8 only reaches servers with SMTPUTF8",
        )


def _line(content: bytes, position: int) -> int:
    return content.count(b"\n", 0, position) + 1


def _structure(letter: Letter) -> Iterator[Finding]:
    for trouble in dict.fromkeys(letter.troubles):
        yield error("broken-part", "structure", trouble, "declare each part as it is, and close every boundary")
    kinds = [part.kind for part in letter.parts]
    if "plain" not in kinds:
        yield error("no-text-part", "structure", "there is no text/plain part", "add one: some read nothing else")
    if "html" not in kinds:
        yield hint("no-html-part", "structure", "there is no text/html part", "add one, unless this is meant")
    if "plain" in kinds and "html" in kinds and kinds.index("html") < kinds.index("plain"):
        yield error(
            "part-order",
            "structure",
            "the HTML part stands before the plain one",
            "put the plainest first (RFC 2046 §5.1.4); programs show the last they can",
        )


def _quoted(part: Part) -> Iterator[Finding]:
    for number, line in enumerate(part.encoded.replace(b"\r\n", b"\n").split(b"\n"), 1):
        where = f"{part.kind} part, encoded line {number}"
        if len(line) > LONGEST_QUOTED_LINE:
            yield error(
                "long-quoted-line", where, f"has {len(line)} characters", "break it softly at 76 (RFC 2045 §6.7)"
            )
        if found := _TORN.search(line):
            text = shown(line[max(found.start() - 10, 0) : found.start() + 12].decode("ascii", "replace"))
            yield error("torn-escape", where, f"an '=' that begins no =XX: {text}", "spell '=' as =3D")
        if line.endswith((b" ", b"\t")):
            yield error("trailing-space", where, "ends in white space, which servers may remove", "spell it =20")
