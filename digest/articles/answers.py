"""What an HTTP answer says besides its body: when to come back, what to show again, what went wrong. Pure."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import httpx

from digest import clock

_LONGEST_WAIT = timedelta(days=7)  # a Retry-After beyond this is a mistake, not a wish
_MEANINGS = {
    401: "the server asks for a password",
    403: "the server forbids reading it",
    404: "there is nothing at this address",
    429: "the server says we ask too often",
    451: "it is withheld for legal reasons",
}


def meaning(status: int) -> str:
    return _MEANINGS.get(status) or f"the server answered with status {status}"


def total(headers: httpx.Headers) -> int:
    """How many bytes all of it has, also if this answer is a part (RFC 9110 §14.4); 0 if that is not said."""
    text = headers.get("Content-Range", "").rpartition("/")[2] or headers.get("Content-Length", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0


def retry_after(headers: httpx.Headers) -> timedelta | None:
    """Both forms of RFC 9110 §10.2.3. A date counts from the server's own clock, which may be wrong with it."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_WAIT)
    until = _http_date(text)
    if until is None:
        return None
    asked_at = _http_date(headers.get("Date", "")) or clock.system()
    return min(max(until - asked_at, timedelta()), _LONGEST_WAIT)


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def kept(answer: httpx.Response, name: str) -> str | None:
    value = answer.headers.get(name)
    return value if value and is_sendable(value) else None


def is_sendable(value: str) -> bool:
    """What a server gave is sent back to it: no line breaks, no letters a header cannot carry."""
    return len(value) <= 500 and value.isascii() and value.isprintable()


def is_downgrade(old: str, new: str) -> bool:
    """From https to http is followed but not remembered: whoever sits on the line could have said so."""
    return old.startswith("https:") and new.startswith("http:")


def shown(url: str) -> str:
    """For reasons that are logged and shown: without user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


def trouble(error: httpx.HTTPError, host: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return f"the certificate of {host} is not valid for it"
    if isinstance(error, httpx.ConnectTimeout | httpx.ConnectError):
        return f"no connection to {host} could be made"
    if isinstance(error, httpx.TimeoutException):
        return f"{host} fell silent"
    return f"the connection to {host} broke off, or it does not speak HTTP"
