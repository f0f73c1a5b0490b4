"""Web addresses a person wrote: checked once, kept without a trailing slash."""

import ipaddress
from urllib.parse import SplitResult, quote, urlsplit

from digest import addresses, errors

# With a token behind it this must fit a header line of 998 characters, which cannot be folded (RFC 5322 §2.1.1).
MAX_LENGTH = 800
# What RFC 3986 §3.3 lets stand in a path, and the percent sign of what is quoted already.
PATH_SAFE = "/%:@!$&'()*+,;=~-._"


class UrlError(errors.DigestError):
    """This is not a web address we can use."""


def parse(text: str) -> str:
    """An absolute http(s) URL in ASCII, without query, fragment, password or trailing slash. Raises UrlError."""
    cleaned = text.strip()
    try:
        parts = urlsplit(cleaned)
        port = parts.port
    except ValueError:
        raise UrlError(f"'{text}' is no web address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not cleaned.isprintable():
        raise UrlError(f"'{text}' is no web address; write it like https://news.example.org")
    if parts.username or parts.password or parts.query or parts.fragment or " " in cleaned:
        raise UrlError(f"'{text}' must have no password, query, fragment or space")
    url = _ascii(parts).rstrip("/")
    if not url.isascii():
        raise UrlError(f"'{text}' is no web address: its host is no domain")
    if len(url) > MAX_LENGTH:
        raise UrlError(f"'{text[:60]}…' is longer than {MAX_LENGTH} characters; links in mails begin with it")
    return url


def _ascii(parts: SplitResult) -> str:
    """Mail headers know no other form: A-labels in the host, percent signs in the path."""
    return parts._replace(netloc=_wire(parts), path=quote(parts.path, safe=PATH_SAFE)).geturl()


def _wire(parts: SplitResult) -> str:
    host = parts.hostname or ""
    if host.isascii():
        return parts.netloc
    try:
        return parts.netloc.lower().replace(host, addresses.parse(f"x@{host}").domain)
    except addresses.AddressError:
        return parts.netloc


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this machine, where http is good enough."""
    return is_loopback_host(urlsplit(url).hostname or "")


def is_loopback_host(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_and_port(text: str) -> tuple[str, int] | None:
    """127.0.0.1:9464, localhost:9464 or [::1]:9464, taken apart; None for anything else."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    is_plain = parts.netloc == text and "@" not in text and " " not in text
    return (host, port) if is_plain and host and port else None
