"""E-mail addresses: the one place where text becomes an `EmailAddress`.

Owns the rules of what we accept, the key under which an address is unique, and the form that goes on the wire.
Reads and leaves no rows; asks no DNS, for a sign-up must not hang on somebody's name server.
"""

import dataclasses
import functools
import re
import unicodedata

import email_validator

from digest import errors

# RFC 5321 §4.5.3.1.3 as corrected by erratum 1690: a path holds 256 octets, two of which are the angle brackets.
MAX_LENGTH = 254
# What nine addresses in ten are made of: letters and digits, inner single dots, at most 64 octets before the @ (RFC
# 5321 §4.5.3.1.1). All others get the whole check.
_PLAIN = re.compile(r"(?=.{1,64}@)([A-Za-z0-9_+-]+(?:\.[A-Za-z0-9_+-]+)*)@([A-Za-z0-9.-]+)", re.ASCII)


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
        local = self.local.lower()
        return f"{local if local.isascii() else unicodedata.normalize('NFC', local)}@{self.domain}"

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
    plain = _PLAIN.fullmatch(spelling)
    if plain and len(spelling) <= MAX_LENGTH and (domain := _known_domain(plain[2])):
        return EmailAddress(spelling=spelling, local=plain[1], domain=domain)
    try:
        found = _validate(spelling)
    except email_validator.EmailNotValidError as problem:
        raise AddressError(f"{_shown(spelling)} is not a usable e-mail address. {problem}") from problem
    # Quoted local parts are refused, so there is exactly one @ to split at.
    local = spelling.partition("@")[0]
    return EmailAddress(spelling=spelling, local=local, domain=found.ascii_domain)


# A list of a million readers has some thousand domains, and to look at one takes nearly all the time of an address.
@functools.lru_cache(maxsize=4096)
def _known_domain(domain: str) -> str | None:
    """The A-label form of a domain mail can go to; None leaves it to the whole check to say what is wrong."""
    try:
        return _validate(f"a@{domain}").ascii_domain
    except email_validator.EmailNotValidError:
        return None


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
