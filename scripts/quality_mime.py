"""Two parsers written by others, in two languages, read each mail; they must find nothing wrong, and find the same."""

import email
import email.policy
import platform
from collections.abc import Iterator, Sequence
from email.message import EmailMessage
from typing import Any

from quality_verdict import Finding, Mail, ToolError, Verdict, run

from tests.support import verifiers

Read = dict[str, Any]


def parse(mails: Sequence[Mail]) -> Verdict:
    if not verifiers.are_there():
        raise ToolError("Email::MIME is not installed; scripts/quality installs it when run as root")
    perl = verifiers.read([mail.content for mail in mails])
    findings: list[Finding] = []
    for mail, theirs in zip(mails, perl, strict=True):
        message = email.message_from_bytes(mail.content, policy=email.policy.default)
        findings += [
            Finding(mail.name, said) for said in (*_defects(message), *_differences(mail, _ours(message), theirs))
        ]
    module = run(["perl", "-MEmail::MIME", "-e", "print $Email::MIME::VERSION"]).decode()
    version = f"Python {platform.python_version()}, Email::MIME {module}"
    return Verdict("MIME parsers", version, len(mails), tuple(findings))


def _defects(message: EmailMessage) -> Iterator[str]:
    for part in message.walk():
        yield from (f"Python finds {type(defect).__name__}" for defect in part.defects)
        for name, value in part.items():
            yield from (f"Python finds {type(defect).__name__} in {name}" for defect in getattr(value, "defects", ()))


def _ours(message: EmailMessage) -> Read:
    return {
        "names": [name.lower() for name in message],
        "subject": str(message["Subject"]),
        "from": _mailboxes(message, "From"),
        "to": _mailboxes(message, "To"),
        "parts": [part.get_content() for part in message.iter_parts()],
    }


def _mailboxes(message: EmailMessage, name: str) -> list[list[str]]:
    return [[one.display_name, one.addr_spec] for one in message[name].addresses]


def _differences(mail: Mail, ours: Read, theirs: Read) -> Iterator[str]:
    """Between the two, and between what they read and what was written."""
    theirs = theirs | {"parts": [part["text"] for part in theirs["parts"]]}
    for key in ("from", "to"):
        theirs[key] = [[name or "", address] for name, address in theirs[key]]
    for key, value in ours.items():
        if _plain(value) != _plain(theirs[key]):
            yield f"the parsers disagree about {key}"
    if ours["subject"] != mail.subject:
        yield "the subject is not what was written"
    if _plain(ours["parts"]) != [mail.text, mail.html]:
        yield "the parts are not the text and the HTML that a preview shows, in this order"


def _plain(value: Any) -> Any:
    return (
        [one.replace("\r\n", "\n") if isinstance(one, str) else one for one in value]
        if isinstance(value, list)
        else value
    )
