"""The bytes of a mail taken apart: header fields with their lines, and the two bodies with where they begin (pure).

Forgiving, for a lint must be able to speak of what is broken; whatever could not be read is named in `troubles`.
"""

import dataclasses
import email
import email.errors
import email.message
import email.policy
import re
from collections.abc import Iterator

from digest import errors


class LetterError(errors.DigestError):
    """This is no mail."""


@dataclasses.dataclass(frozen=True, slots=True)
class Field:
    """One header field, unfolded. `line` counts from 1, as editors do."""

    name: str
    value: str
    line: int


@dataclasses.dataclass(frozen=True, slots=True)
class Part:
    """A text part: its text, decoded, and its lines as they are on the way."""

    kind: str
    text: str
    encoding: str
    encoded: bytes


@dataclasses.dataclass(frozen=True)
class Letter:
    content: bytes
    head: bytes
    body: bytes
    fields: tuple[Field, ...]
    parts: tuple[Part, ...]
    troubles: tuple[str, ...]

    def all(self, name: str) -> list[Field]:
        return [field for field in self.fields if field.name.lower() == name.lower()]

    def value(self, name: str) -> str:
        found = self.all(name)
        return found[0].value if found else ""

    def part(self, kind: str) -> Part | None:
        return next((part for part in self.parts if part.kind == kind), None)

    @property
    def is_list_mail(self) -> bool:
        """Whether it says that it goes to many."""
        return bool(self.all("List-Id") or self.all("List-Unsubscribe"))


def read(content: bytes) -> Letter:
    """Raises LetterError for what has no header at all."""
    # A file may have the line ends of the machine it was saved on; those of a mail on its way are judged apart.
    head, gap, body = content.partition(b"\r\n\r\n")
    if not gap:
        head, gap, body = content.partition(b"\n\n")
    if not re.match(rb"[!-9;-~]+:", head):
        raise LetterError("this is no mail: it does not begin with a header such as 'From: …'")
    message = email.message_from_bytes(content, policy=email.policy.compat32)
    troubles = [
        type(defect).__name__
        for part in message.walk()
        for defect in part.defects
        # Told as the odd header line that it comes from.
        if not isinstance(defect, email.errors.MissingHeaderBodySeparatorDefect)
    ]
    parts: list[Part] = []
    for part in message.walk():
        if part.get_content_maintype() == "text":
            parts.append(_part(part, troubles))
    return Letter(content, head, body, tuple(_fields(head)), tuple(parts), tuple(troubles))


def _fields(head: bytes) -> Iterator[Field]:
    name, value, line = "", "", 0
    for number, text in enumerate(head.decode("utf-8", "surrogateescape").split("\n"), 1):
        text = text.removesuffix("\r")
        if text[:1] in (" ", "\t") and name:
            value += " " + text.strip()
            continue
        if name:
            yield Field(name, value.strip(), line)
        name, _, value = text.partition(":")
        line = number
    if name:
        yield Field(name, value.strip(), line)


def _part(part: "email.message.Message", troubles: list[str]) -> Part:
    raw = part.get_payload(decode=False)
    encoded = raw.encode("utf-8", "surrogateescape") if isinstance(raw, str) else b""
    decoded = part.get_payload(decode=True)
    data = decoded if isinstance(decoded, bytes) else b""
    charset = part.get_content_charset("us-ascii")
    try:
        text = data.decode(charset)
    except (LookupError, UnicodeDecodeError):
        troubles.append(f"the {part.get_content_type()} part is not {charset}, as it says it is")
        text = data.decode("utf-8", "replace")
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    return Part(part.get_content_subtype(), text.replace("\r\n", "\n"), encoding, encoded)
