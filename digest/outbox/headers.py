"""Header lines as bytes: folded at white space only, RFC 2047 in Subject and names only, nothing smuggled in.

CPython's email package is not used to write: it folds a long List-Unsubscribe into encoded-words, which breaks
one-click unsubscribing. Pure. Free text is cleaned; a broken address or URL is refused with a HeaderError.
"""

import dataclasses
import email.utils
import functools
import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from digest import errors, links
from digest.outbox import words

# RFC 5322 §2.1.1 wishes for 78 and limits to 998; RFC 2047 §2 limits lines with encoded-words to 76.
LINE_WISH = 76
LINE_LIMIT = 998
# Printable ASCII but the space, angle brackets and the comma: what nearly every address, id and URL is made of.
_PLAIN_WORD = re.compile(r"<[!-+\--;=?-~]+>|[!-+\--;=?-~]+")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9]+(?: [A-Za-z0-9]+){0,5}")


class HeaderError(errors.DigestError):
    """An address or URL in a mail's header holds what must not be there."""


@dataclasses.dataclass(frozen=True, slots=True)
class Letterhead:
    """What all mails of one Publication share. Without `list_id` it is a notice: no list, nothing to leave.

    Addresses are wire forms (`EmailAddress.wire`). `list_id` is like news.example.org: stable, never per Edition.
    """

    sender_name: str
    sender: str
    reply_to: str = ""
    list_id: str = ""
    list_name: str = ""
    help_url: str = ""
    archive_url: str = ""
    feedback_id: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Personal:
    """What only this Delivery's mail says about itself. `unsubscribe_mailto` only if that mail is really read."""

    recipient: str
    message_id: str
    at: datetime
    name: str = ""
    unsubscribe_url: str = ""
    unsubscribe_mailto: str = ""


def message_id(delivery_id: int, *, instance: str, domain: str) -> str:
    """The same for every try of a Delivery, so that a resend after doubt can be recognised as the same mail.

    Two installations number their Deliveries alike, hence the mark of the instance. It is no signature: signing keys
    rotate, and a Message-ID must not.
    """
    mark = hashlib.sha256(f"{instance}:{delivery_id}".encode()).hexdigest()[:12]
    return f"<d{links.base36(delivery_id)}.{mark}@{domain}>"


def write(letterhead: Letterhead, subject: str, personal: Personal) -> bytes:
    """All header lines but those about the MIME structure."""
    return _shared(letterhead, subject) + _own(personal)


# One entry per Edition and notice under way; the rest of a mail's header costs a tenth of this part.
@functools.lru_cache(maxsize=256)
def _shared(letterhead: Letterhead, subject: str) -> bytes:
    lines = [
        _line("From", _mailbox(letterhead.sender_name, letterhead.sender)),
        _line("Subject", words.unstructured(subject)),
        # RFC 3834 §5 keeps out-of-office replies away; Exchange heeds its own header only. Never "All" there:
        # that suppresses delivery reports too.
        _line("Auto-Submitted", ["auto-generated"]),
        _line("X-Auto-Response-Suppress", ["OOF,", "AutoReply"]),
    ]
    if letterhead.reply_to:
        lines.append(_line("Reply-To", [_checked(letterhead.reply_to)]))
    return b"".join(lines) + (_list_lines(letterhead) if letterhead.list_id else b"")


def _list_lines(letterhead: Letterhead) -> bytes:
    # No encoded-words here: in structured headers they cost trust at Gmail, and the id is what counts.
    list_name = words.clean(letterhead.list_name)
    name = words.phrase(list_name) if words.is_plain(list_name) else []
    lines = [
        _line("List-Id", [*name, f"<{_checked(letterhead.list_id)}>"]),
        _line("List-Post", ["NO"]),
        _line("Precedence", ["bulk"]),
    ]
    if letterhead.help_url:
        lines.append(_line("List-Help", [_bracketed(letterhead.help_url)]))
    if letterhead.archive_url:
        lines.append(_line("List-Archive", [_bracketed(letterhead.archive_url)]))
    if letterhead.feedback_id:
        lines.append(_line("Feedback-ID", [_checked(letterhead.feedback_id)]))
    return b"".join(lines)


def _own(personal: Personal) -> bytes:
    lines = [
        _to(personal.name, personal.recipient),
        _date(personal.at.replace(microsecond=0)),
        _line("Message-ID", [_checked(personal.message_id)]),
    ]
    if personal.unsubscribe_url:
        # RFC 8058 §3.1: HTTPS first, and exactly this second header makes it one click.
        ways = [_bracketed(personal.unsubscribe_url)]
        if personal.unsubscribe_mailto:
            ways = [ways[0] + ",", _bracketed("mailto:" + personal.unsubscribe_mailto)]
        lines.append(_line("List-Unsubscribe", ways))
        lines.append(b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    return b"".join(lines)


def _to(name: str, address: str) -> bytes:
    # What nine readers in ten are called needs no cleaning, no encoding and no folding.
    if len(name) + len(address) < LINE_WISH - 8 and _PLAIN_NAME.fullmatch(name) and _PLAIN_WORD.fullmatch(address):
        return f"To: {name} <{address}>\r\n".encode()
    return _line("To", _mailbox(name, address))


# Thousands of mails share a second; to format it costs as much as all other lines of a mail together.
@functools.lru_cache(maxsize=16)
def _date(at: datetime) -> bytes:
    return _line("Date", [email.utils.format_datetime(at)])


def _mailbox(name: str, address: str) -> list[str]:
    return [*words.phrase(name), f"<{_checked(address, ascii_only=False)}>"]


def _bracketed(url: str) -> str:
    # RFC 2369 §2: the brackets are there so that commas may stand in a URL.
    _checked(url.replace(",", ""))
    return f"<{url}>"


def _checked(token: str, *, ascii_only: bool = True) -> str:
    """`token` if it is one unbroken word. Only a local part may be beyond ASCII (RFC 6532, with SMTPUTF8)."""
    if _PLAIN_WORD.fullmatch(token):
        return token
    inner = token[1:-1] if token.startswith("<") else token
    if not inner or not inner.isprintable() or set(inner) & set(" <>,") or (ascii_only and not inner.isascii()):
        raise HeaderError(f"{token[:100]!r} cannot stand in a mail header: it must be one word without spaces.")
    return token


def _line(name: str, tokens: Sequence[str]) -> bytes:
    """One header: tokens joined by single spaces, a new line where the next would not fit."""
    line = f"{name}: {tokens[0]}" if len(tokens) == 1 else " ".join((name + ":", *tokens))
    # A single token is not folded, however long, within what a line can be at all.
    limit = LINE_LIMIT // 4 if len(tokens) == 1 else LINE_WISH
    return (line + "\r\n" if len(line) <= limit else _folded(name, tokens)).encode()


def _folded(name: str, tokens: Sequence[str]) -> str:
    lines = [name + ":"]
    for token in tokens:
        # The first token stays beside the name: a header whose first line is empty confuses some parsers.
        if len(lines[-1]) + 1 + len(token) <= LINE_WISH or lines == [name + ":"]:
            lines[-1] += " " + token
        else:
            lines.append(" " + token)
    if any(len(line.encode()) > LINE_LIMIT for line in lines):
        raise HeaderError(f"The {name} header has a word longer than a mail line can be; shorten the address or URL.")
    return "\r\n".join([*lines, ""])
