"""Lists that other senders export, recognised by their columns and put into the words of our own (pure).

Each says in its own way who may still be mailed. What is carried over of a reader: address, name, zone where it is one,
when they agreed, and that they left, bounced or complained. Columns nobody here needs are passed over.
"""

import dataclasses
import functools
import re
from collections.abc import Callable, Collection, Mapping

from digest import errors, zones

Cells = Mapping[str, str]


class UntoldError(errors.DigestError):
    """A line does not say whether its reader may be mailed."""


@dataclasses.dataclass(frozen=True, slots=True)
class Dialect:
    """An export is told by columns that no other has; `translate` turns one line into our cells.

    `silence` says what it does not tell of its readers, and what to do about it.
    """

    name: str
    marks: frozenset[str]
    translate: Callable[[Cells], dict[str, str]]
    silence: str = ""


def recognise(columns: Collection[str]) -> Dialect | None:
    """Whose export has these columns, in lower case; None for our own or an unknown one."""
    return next((dialect for dialect in DIALECTS if dialect.marks <= set(columns)), None)


def _listmonk(cells: Cells) -> dict[str, str]:
    # Who leaves a list stays enabled: the state on each list is not exported.
    states = {"enabled": "active", "disabled": "unsubscribed", "blocklisted": "blocked"}
    state, consented_at = _state(cells, "status", states), _of_go(cells.get("created_at", ""))
    return _told(cells, "email", state=state, consented_at=consented_at)


# How Go prints a time: "2024-03-05 10:11:12.35764 +0100 CET", with as many digits of the second as it takes.
_GO_TIME = re.compile(r"([0-9-]{10}) ([0-9:]{8}(?:\.[0-9]+)?) ([+-][0-9]{4}) \S+")


def _of_go(text: str) -> str:
    """The same instant as ISO 8601 writes it, and nothing of Go's zero time, which stands where there is none."""
    found = _GO_TIME.fullmatch(text)
    if not found:
        return text
    date, time, offset = found.groups()
    return "" if date == "0001-01-01" else f"{date}T{time}{offset}"


def _mailchimp(cells: Cells) -> dict[str, str]:
    """Files of subscribed, unsubscribed and cleaned. The last two name a time that the others do not have.

    A fourth, of people who never subscribed, has the columns of the first and cannot be told from it.
    """
    state = "active"
    if cells.get("clean_time"):
        state = "bounced"
    elif cells.get("unsub_time"):
        state = "unsubscribed"
    name = " ".join(filter(None, (cells.get("first name", ""), cells.get("last name", ""))))
    zone = cells.get("timezone", "")
    return _told(
        cells,
        "email address" if "email address" in cells else "email",
        name=name,
        state=state,
        # A guess from where a mail was opened, and not always a zone.
        timezone=zone if zone in zones.names() else "",
        consented_at=cells.get("confirm_time") or cells.get("optin_time", ""),
        left_at=cells.get("unsub_time", ""),
    )


def _ghost(cells: Cells) -> dict[str, str]:
    states = {"true": "active", "false": "unsubscribed"}
    state = "unsubscribed" if cells.get("deleted_at") else _state(cells, "subscribed_to_emails", states)
    return _told(cells, "email", state=state, consented_at=cells.get("created_at", ""))


def _substack(cells: Cells) -> dict[str, str]:
    state = _state(cells, "email_disabled", {"false": "active", "true": "unsubscribed"})
    return _told(cells, "email", state=state, consented_at=cells.get("created_at", ""))


def _buttondown(address: str, kind: str, cells: Cells) -> dict[str, str]:
    return _told(
        cells,
        address,
        state=_state(cells, kind, _BUTTONDOWN_STATES),
        consented_at=cells.get("creation_date", ""),
        left_at=cells.get("unsubscription_date", ""),
    )


# https://docs.buttondown.com/api-subscribers-type
_BUTTONDOWN_STATES = {
    # Whatever these pay or do not pay there, they are readers here.
    **dict.fromkeys(("regular", "premium", "trialed", "gifted", "unpaid", "past_due", "paused", "churning"), "active"),
    "unactivated": "pending",
    "unsubscribed": "unsubscribed",
    "removed": "unsubscribed",
    "undeliverable": "bounced",
    "bounced": "bounced",
    "complained": "complained",
    "spammy": "blocked",
    "blocked": "blocked",
}


def _told(cells: Cells, address: str, **more: str) -> dict[str, str]:
    found = {"email": cells.get(address, ""), "name": cells.get("name", ""), **more}
    return {column: text for column, text in found.items() if text}


def _state(cells: Cells, column: str, states: Mapping[str, str]) -> str:
    """A state we have no word for stays as it is, and is refused by that name. Raises UntoldError."""
    text = cells.get(column, "").lower()
    if not text:
        # Empty, or the line ends before it. Whoever left must not become a reader by that.
        raise UntoldError(f"{column} is empty, so it is not known whether they may be mailed: not imported")
    return states.get(text, text)


def _buttondown_dialect(address: str, kind: str) -> Dialect:
    """Its columns have had two names."""
    marks = frozenset({address, kind, "creation_date"})
    return Dialect("Buttondown", marks, functools.partial(_buttondown, address, kind))


# Mailchimp lets its users rename columns, but not these.
DIALECTS = (
    Dialect(
        "listmonk",
        frozenset({"uuid", "email", "status", "attributes"}),
        _listmonk,
        "does not tell who left the list, nor who never confirmed. Export the list once for each subscription status; "
        "bring in who left with --as unsubscribed, who never confirmed with --as pending, the others with --as active",
    ),
    Dialect("Mailchimp", frozenset({"leid", "euid"}), _mailchimp),
    Dialect("Ghost", frozenset({"email", "subscribed_to_emails"}), _ghost),
    Dialect("Substack", frozenset({"email", "active_subscription", "email_disabled"}), _substack),
    _buttondown_dialect("email", "subscriber_type"),
    _buttondown_dialect("email_address", "type"),
)
