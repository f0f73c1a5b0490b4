"""E-mail addresses: the one place where text becomes an `EmailAddress`.

Owns the rules of what we accept, the key under which an address is unique, and the form that goes on the wire.
Reads and leaves no rows; asks no DNS, for a sign-up must not hang on somebody's name server.
"""

import dataclasses
import unicodedata

import email_validator

from digest import errors

# RFC 5321 §4.5.3.1.3 as corrected by erratum 1690: a path holds 256 octets, two of which are the angle brackets.
MAX_LENGTH = 254


class AddressError(errors.DigestError):
    """This is not an e-mail address that mail can be sent to."""


@dataclasses.dataclass(frozen=True, slots=True)
class EmailAddress:
    """An address that passed `parse`; nothing else makes one, so nobody downstream checks again."""

    spelling: str
    local: str
    domain: str

    @property
    def key(self) -> str:
        """What makes two spellings one reader: lower-cased local part and A-label domain."""
        # Lower-casing can undo a composed form, hence the order: lower first, then compose.
        return f"{unicodedata.normalize('NFC', self.local.lower())}@{self.domain}"

    @property
    def wire(self) -> str:
        """What goes into RCPT and To. The local part stays as given: only its own server may read meaning into it."""
        return f"{self.local}@{self.domain}"

    @property
    def needs_smtputf8(self) -> bool:
        """Domains always travel as A-labels, so only the local part can need RFC 6531."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return self.spelling


def parse(text: str) -> EmailAddress:
    """The address in `text`, or an AddressError in plain words."""
    spelling = text.strip()
    try:
        found = _validate(spelling)
    except email_validator.EmailNotValidError as problem:
        raise AddressError(f"{_shown(spelling)} is not a usable e-mail address. {problem}") from problem
    # Quoted local parts are refused, so there is exactly one @ to split at.
    local = spelling.partition("@")[0]
    return EmailAddress(spelling=spelling, local=local, domain=found.ascii_domain)


def _validate(spelling: str) -> email_validator.ValidatedEmail:
    # Asked before anything looks at the characters: the validator's own check takes time on megabytes.
    if len(spelling) > MAX_LENGTH:
        raise email_validator.EmailSyntaxError(f"It is longer than {MAX_LENGTH} characters.")
    # test_environment lets .test through (RFC 2606), which demos and staging need and nobody can be harmed by.
    return email_validator.validate_email(
        spelling, check_deliverability=False, strict=True, allow_quoted_local=False, test_environment=True
    )


def _shown(spelling: str) -> str:
    """The text as an error may repeat it: control characters visible, never a screenful."""
    return repr(spelling if len(spelling) <= 80 else spelling[:77] + "...")


def recall(spelling: str, key: str) -> EmailAddress:
    """An address that passed `parse` when it was stored beside its key; to ask again would cost more than its mail."""
    return EmailAddress(spelling=spelling, local=spelling.partition("@")[0], domain=key.rpartition("@")[2])
