"""What we say to a server and how what it says is read. Pure: letters and offers in, bytes out; bytes in, words out."""

import dataclasses
from collections.abc import Collection, Iterable

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports.transport import Letter

NO_SMTPUTF8 = Reply(550, "5.6.7 the relay does not offer SMTPUTF8, which this address needs", Stage.RCPT)
# Their text says nothing that anybody needs, and this reply comes with every mail.
GO_AHEAD = Reply(354, "go ahead", Stage.DATA)


@dataclasses.dataclass(frozen=True, slots=True)
class Offers:
    """The extensions of a server that we make use of; none is used unless offered."""

    pipelining: bool = False
    size: bool = False
    smtputf8: bool = False
    dsn: bool = False

    @classmethod
    def of(cls, names: Collection[str]) -> "Offers":
        """From the keywords of the reply to EHLO, in lower case."""
        return cls("pipelining" in names, "size" in names, "smtputf8" in names, "dsn" in names)


def flight(letter: Letter, offers: Offers) -> bytes:
    """MAIL, RCPT and DATA: all that goes before the content. Raises ValueError for what no address can hold."""
    mail = f" SIZE={len(letter.content)}" if offers.size else ""
    rcpt = ""
    if letter.needs_smtputf8:
        # RFC 6531 §3.6: such a server offers 8BITMIME too, and the To header is UTF-8. All other mails are 7-bit.
        mail += " BODY=8BITMIME SMTPUTF8"
    if offers.dsn:
        mail, rcpt = mail + f" RET=HDRS ENVID={letter.delivery_id}", _notify(letter)
    said = f"MAIL FROM:<{letter.sender}>{mail}\r\nRCPT TO:<{letter.recipient}>{rcpt}\r\nDATA\r\n".encode()
    # A line end within an address would be a command of somebody else's.
    if said.count(b"\r") != 3 or said.count(b"\n") != 3:
        raise ValueError(f"the addresses of delivery {letter.delivery_id} hold a line end")
    if not letter.content.endswith(b"\r\n"):
        raise ValueError(f"the mail of delivery {letter.delivery_id} does not end with CRLF")
    return said


def _notify(letter: Letter) -> str:
    """RFC 3461 §4: bounces that hold our headers, name the address as we wrote it, and none for a success."""
    if letter.needs_smtputf8:
        return " NOTIFY=FAILURE,DELAY"
    # xtext (§4): of what an address may hold, only these two are not themselves.
    return " NOTIFY=FAILURE,DELAY ORCPT=rfc822;" + letter.recipient.replace("+", "+2B").replace("=", "+3D")


def text(lines: Iterable[bytes]) -> str:
    """The words of a reply, without its codes. Harmless for logs and databases, whatever was sent."""
    said = "\n".join(line[4:].strip().decode("utf-8", "replace") for line in lines)
    return said if said.isprintable() else printable(said)


def printable(said: str) -> str:
    """PostgreSQL takes no NUL, terminals obey escape sequences, and lone surrogates cannot be written as UTF-8."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "�" for sign in said)
