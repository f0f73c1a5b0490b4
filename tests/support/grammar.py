"""The grammar of RFC 5322, 2045, 2046, 2919, 8058 and 6376 as far as our mails use it; all beyond it is a fault.

Narrower than the standards on purpose: no comments, no obsolete forms, no header we do not know. Written apart from the
code that writes mails, and from `wirecheck`, which looks at lines and encoded-words.
"""

import re
from datetime import datetime

from tests.support import wirecheck

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\U0010ffff-]+"
DOT_ATOM = rf"{ATOM}(?:\.{ATOM})*"
LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
DOMAIN = rf"{LABEL}(?:\.{LABEL})+"
QUOTED = r'"(?:[ !#-\[\]-~]|\\[ -~])+"'
PHRASE = rf"(?:{ATOM}|{QUOTED})(?: (?:{ATOM}|{QUOTED}))*"
ADDRESS = rf"{DOT_ATOM}@{DOMAIN}"
MAILBOX = rf"(?:{PHRASE} )?<{ADDRESS}>"
# RFC 3986: every character an address may have, a percent sign only before two digits.
WEB = r"https://(?:[A-Za-z0-9:/?#\[\]@!$&'()*+;=~._-]|%[0-9A-Fa-f]{2})+"
DATE = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}"

# One value each, and every header at most once: `DKIM-Signature` alone may come again.
FIELDS = {
    "dkim-signature": r"(?:[a-z]+=[!-:<-~ ]+; ){8}b=[A-Za-z0-9+/= ]+",
    "from": MAILBOX,
    "to": MAILBOX,
    "reply-to": ADDRESS,
    "subject": r"[ -~]*",
    "date": DATE,
    "message-id": rf"<{DOT_ATOM}@{DOMAIN}>",
    "mime-version": r"1\.0",
    "content-type": r"text/plain; charset=utf-8|"
    r'multipart/alternative; boundary="[0-9A-Za-z\'()+_,./:=? -]{1,69}[0-9A-Za-z\'()+_,./:=?-]"',
    "content-transfer-encoding": "quoted-printable",
    "auto-submitted": "auto-generated",
    "x-auto-response-suppress": "OOF, AutoReply",
    "precedence": "bulk",
    "list-id": rf"(?:{PHRASE} )?<{DOMAIN}>",
    "list-post": "NO",
    "list-archive": rf"<{WEB}>",
    "list-unsubscribe": rf"<{WEB}>",
    "list-unsubscribe-post": "List-Unsubscribe=One-Click",
    "feedback-id": r"[A-Za-z0-9._-]+(?::[A-Za-z0-9._-]+){2,3}",
}
NEEDED = {"from", "to", "subject", "date", "message-id", "mime-version", "content-type", "auto-submitted"}
LIST = {"list-id", "list-post", "precedence"}
ONE_CLICK = {"list-unsubscribe", "list-unsubscribe-post"}
# No l=, which lets anybody write below what was signed; no x=, since mail may be checked again long after it came.
TAGS = {"v", "a", "c", "d", "s", "t", "h", "bh", "b"}
PART = (
    b"Content-Type: text/(plain|html); charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    rb"((?:.*\r\n)*)"
)


def faults(content: bytes, *, utf8_to: bool = False) -> list[str]:
    """What is beyond the grammar; an empty list for a good mail."""
    found = wirecheck.faults(content, utf8_to=utf8_to)
    for name, values in wirecheck.unfolded(content).items():
        if name not in FIELDS:
            found.append(f"{name} is no header of ours")
        elif name != "dkim-signature" and len(values) != 1:
            found.append(f"{name} stands {len(values)} times")
        found += [f"{name}: {value!r}" for value in values if not _is_right(name, value, utf8_to and name == "to")]
    # RFC 2045 §6.4: a multipart mail is encoded by its parts alone, one of a single part by itself.
    values = wirecheck.unfolded(content)
    if ("content-transfer-encoding" in values) is not values["content-type"][0].startswith("text/"):
        found.append("the encoding stands at the wrong place")
    missing = NEEDED - set(values)
    return found + [f"no {name}" for name in sorted(missing)] + _date_faults(content) + _signature_faults(content)


def parts(content: bytes) -> dict[str, str]:
    """The text of each part by its type. Raises AssertionError where the structure is not as RFC 2046 has it."""
    body = content.partition(b"\r\n\r\n")[2]
    [declared] = wirecheck.unfolded(content)["content-type"]
    boundary = declared.partition('"')[2].rstrip('"').encode()
    before, *inner, after = (b"\r\n" + body).split(b"\r\n--" + boundary)
    assert (before, after) == (b"", b"--\r\n")
    found = [re.fullmatch(PART, each.removeprefix(b"\r\n") + b"\r\n") for each in inner]
    assert all(found), "a part's header"
    # The line end before a delimiter belongs to the delimiter (RFC 2046 §5.1.1).
    texts = {match[1].decode(): _plain(match[2])[:-1] for match in found if match}
    assert list(texts) == ["plain", "html"]
    return texts


def signed(content: bytes) -> list[dict[str, str]]:
    """The tags of each signature, without white space."""
    values = wirecheck.unfolded(content).get("dkim-signature", [])
    return [dict(tag.split("=", 1) for tag in value.replace(" ", "").split(";")) for value in values]


def _is_right(name: str, value: str, utf8: bool) -> bool:
    return bool(re.fullmatch(FIELDS.get(name, ".*"), value)) and (utf8 or value.isascii())


def _date_faults(content: bytes) -> list[str]:
    [text] = wirecheck.unfolded(content).get("date", ["none"])
    try:
        at = datetime.strptime(text, "%a, %d %b %Y %H:%M:%S %z")
    except ValueError:
        return [f"date: {text!r}"]
    return [] if at.strftime("%a") == text[:3] else [f"date of another weekday: {text!r}"]


def _signature_faults(content: bytes) -> list[str]:
    """RFC 6376 §5.4 asks for From; §5.4.2 lets what is listed once more than it occurs be added by nobody."""
    present = wirecheck.unfolded(content)
    found = []
    for tags in signed(content):
        listed = tags["h"].split(":")
        free = {"dkim-signature", "x-auto-response-suppress", "precedence", "list-post"}
        for name in {*present, *listed, "cc", "sender"} - free:
            if listed.count(name) != len(present.get(name, [])) + 1:
                found.append(f"{name} is signed {listed.count(name)} times")
        found += [f"signature has {tag}=" for tag in sorted(set(tags) - TAGS)]
    return found


def _plain(text: bytes) -> str:
    """An independent quoted-printable decoder that forgives nothing (RFC 2045 §6.7)."""
    joined = b"".join(line[:-1] if line.endswith(b"=") else line + b"\n" for line in text.split(b"\r\n")[:-1])
    assert not re.search(rb"=(?![0-9A-F]{2})|[^ -~\n]", joined)
    return re.sub(rb"=(..)", lambda found: bytes([int(found[1], 16)]), joined).decode()
