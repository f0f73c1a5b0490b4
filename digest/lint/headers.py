"""The header: what must be there, what may be there once, and what providers ask of mail to many. Pure.

RFC 5322 for the fields, RFC 2047 for words beyond ASCII, RFC 2369 and 8058 for the way out, RFC 6376 for signatures.
"""

import email.header
import email.utils
import re
from collections.abc import Iterator

from digest.lint.finding import Finding, error, hint, shown, warning
from digest.lint.letter import Field, Letter

ONCE = (
    *("From", "Sender", "Reply-To", "To", "Cc", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "List-Post", "List-Archive", "Feedback-ID"),
    "Auto-Submitted",
)
NEEDED = ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version")
# RFC 2047 §5: words may be encoded in free text and in the names of people, nowhere else.
FREE_TEXT = ("from", "to", "cc", "reply-to", "sender", "subject", "comments")
LONGEST_WORD = 75
# What a phone shows of a subject is less; desktop programs cut it here.
LONGEST_SUBJECT = 70
_WORD = re.compile(r"=\?[^?\s]+\?[bqBQ]\?[^?\s]*\?=")
_ADDRESS = re.compile(
    r"[^\s@<>\"(),:;\\]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+"
)
_MESSAGE_ID = re.compile(r"<[^\s@<>]+@[A-Za-z0-9.-]+>")


def check(letter: Letter) -> Iterator[Finding]:
    for field in letter.fields:
        yield from _field(field)
    yield from _counts(letter)
    for name in ("From", "To", "Reply-To"):
        for field in letter.all(name):
            yield from _people(field)
    yield from _date(letter)
    yield from _message_id(letter)
    yield from _subject(letter)
    yield from _way_out(letter)
    yield from _signature(letter)


def decoded(value: str) -> str:
    try:
        return str(email.header.make_header(email.header.decode_header(value)))
    except (LookupError, ValueError):
        return value


def _field(field: Field) -> Iterator[Finding]:
    where = f"{field.name[:40]} (line {field.line})"
    if not re.fullmatch(r"[!-9;-~]+", field.name):
        yield error("odd-header", f"line {field.line}", f"is no header field: {shown(field.name)}", "write Name: value")
        return
    if "=?" not in field.value:
        return
    if field.name.lower() not in FREE_TEXT:
        yield error(
            "encoded-word-place",
            where,
            "holds an encoded-word where none may stand",
            "write it in ASCII; Gmail distrusts mail with encoded-words in structured headers",
        )
    for word in field.value.split():
        if "=?" in word and (not _WORD.search(word) or len(word.strip('",<>()')) > LONGEST_WORD):
            yield error(
                "encoded-word", where, f"broken or too long: {shown(word)}", "words of at most 75, cut between letters"
            )


def _counts(letter: Letter) -> Iterator[Finding]:
    for name in ONCE:
        if len(letter.all(name)) > 1:
            yield error("twice", name, f"stands {len(letter.all(name))} times", "keep one; Gmail refuses the mail")
    for name in NEEDED:
        if not letter.all(name):
            yield error("missing", name, "is missing", f"add a {name} header")
    if not letter.all("Auto-Submitted"):
        yield hint(
            "auto-submitted", "Auto-Submitted", "is missing", "add 'auto-generated' to keep robots from answering"
        )


def _people(field: Field) -> Iterator[Finding]:
    # The field itself may hold commas in encoded names, hence taken apart before it is decoded.
    found = email.utils.getaddresses([field.value])
    if field.name.lower() == "from" and len(found) != 1:
        yield error("several-senders", "From", f"names {len(found)} senders", "name one; Gmail refuses more")
    for _, address in found:
        if not _ADDRESS.fullmatch(address):
            yield error("bad-address", field.name, f"{shown(address)} is no address", "write local@domain, in ASCII")


def _date(letter: Letter) -> Iterator[Finding]:
    for field in letter.all("Date"):
        try:
            at = email.utils.parsedate_to_datetime(field.value)
        except (TypeError, ValueError):
            yield error("bad-date", "Date", f"{shown(field.value)} is no date", "write it as RFC 5322 §3.3 has it")
            continue
        day, comma, _ = field.value.partition(",")
        if comma and day.strip() != at.strftime("%a"):
            yield error("wrong-weekday", "Date", f"{day} is not the day of that date", f"it was a {at:%a}")


def _message_id(letter: Letter) -> Iterator[Finding]:
    for field in letter.all("Message-ID"):
        if not _MESSAGE_ID.fullmatch(field.value):
            yield error("bad-message-id", "Message-ID", f"{shown(field.value)}", "write <something-unique@your.domain>")
            continue
        sender = email.utils.parseaddr(letter.value("From"))[1].rpartition("@")[2].lower()
        domain = field.value.rstrip(">").rpartition("@")[2].lower()
        if sender and not (domain == sender or domain.endswith("." + sender) or sender.endswith("." + domain)):
            yield warning("foreign-message-id", "Message-ID", f"is of {domain}", f"use the sender's domain, {sender}")


def _subject(letter: Letter) -> Iterator[Finding]:
    for field in letter.all("Subject"):
        text = decoded(field.value).strip()
        if not text:
            yield error("no-subject", "Subject", "is empty", "say what is inside")
        if len(text) > LONGEST_SUBJECT:
            yield warning("long-subject", "Subject", f"has {len(text)} characters", f"say it in {LONGEST_SUBJECT}")
        if re.match(r"(?:re|fwd?|aw|wg|antw|tr|rv)\s*:", text, re.IGNORECASE):
            yield error(
                "fake-reply", "Subject", "pretends to be an answer", "leave out Re: and Fwd:; providers refuse it"
            )


def _way_out(letter: Letter) -> Iterator[Finding]:
    if not letter.is_list_mail:
        return
    ways = [way.strip() for way in re.findall(r"<([^>]*)>", letter.value("List-Unsubscribe"))]
    if not ways:
        yield error("no-way-out", "List-Unsubscribe", "is missing", "add an https link that unsubscribes (RFC 2369)")
        return
    if not ways[0].lower().startswith("https://"):
        yield error(
            "way-out-not-https", "List-Unsubscribe", f"begins with {shown(ways[0])}", "put the https link first"
        )
    post = letter.all("List-Unsubscribe-Post")
    if not post or post[0].value != "List-Unsubscribe=One-Click":
        yield error(
            "no-one-click",
            "List-Unsubscribe-Post",
            "does not say List-Unsubscribe=One-Click",
            "add it (RFC 8058); Gmail and Yahoo ask for it",
        )


def _signature(letter: Letter) -> Iterator[Finding]:
    for field in letter.all("DKIM-Signature"):
        tags = dict(tag.strip().split("=", 1) for tag in field.value.split(";") if "=" in tag)
        signed = {name.strip().lower() for name in tags.get("h", "").split(":")}
        where = f"DKIM-Signature {tags.get('a', '').strip()}"
        if "from" not in signed:
            yield error("from-unsigned", where, "does not cover From", "sign it; the signature counts for nothing else")
        if "l" in tags:
            yield error("signed-in-part", where, "has l=", "leave it out: anybody could write below what was signed")
        for name in ("List-Unsubscribe", "List-Unsubscribe-Post"):
            if letter.all(name) and name.lower() not in signed:
                yield error(
                    "way-out-unsigned", where, f"does not cover {name}", "sign it, or no button is shown (RFC 8058)"
                )
