"""The relays of the settings as a transport: the one place that knows how their URLs are written.

Errors name the mistake and never the password. Whether the server is there is asked by `probe`, not here.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from pydantic import SecretStr

from digest import errors, urls
from digest.outbox.transports import file, smtp
from digest.outbox.transports.relay import Relay, Timeouts, Tls
from digest.outbox.transports.transport import Transport

EXAMPLES = "smtp://user@relay.example.org:587, smtps://user@relay.example.org:465 or file:///var/mail/out"
# RFC 8314 §3.3 and RFC 6409; 25 is for a relay on this machine or in this network.
PORTS = {Tls.IMPLICIT: 465, Tls.STARTTLS: 587, Tls.NONE: 25}


class TransportUrlError(errors.DigestError):
    """`smtp.url` (DIGEST_SMTP_URL) does not say where mail should go."""


class Named(Protocol):
    """A relay as the settings tell of it."""

    @property
    def name(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def weight(self) -> float: ...
    @property
    def connections(self) -> int: ...
    @property
    def password(self) -> SecretStr | None: ...


def from_url(
    url: str, *, password: str | None = None, connections: int = 16, timeouts: Timeouts = smtp.TIMEOUTS
) -> Transport:
    """The transport a URL names. A `password` given apart wins over one in the URL. Raises TransportUrlError."""
    parts = _split(url)
    if parts.scheme == "file":
        return file.FileTransport(_folder(parts), connections)
    if parts.scheme in ("smtp", "smtps"):
        return smtp.SmtpTransport([_relay(parts, password)], connections, timeouts)
    raise TransportUrlError(f"smtp.url must begin with smtp://, smtps:// or file:///. Write it like {EXAMPLES}.")


def from_relays(relays: Sequence[Named], *, connections: int = 16, timeouts: Timeouts = smtp.TIMEOUTS) -> Transport:
    """One transport over several relays. Raises TransportUrlError."""
    found = [_named(relay, f"smtp.relays.{number}") for number, relay in enumerate(relays)]
    names = [relay.name for relay in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        # Deliveries are told apart by them: a doubtful one goes to its own relay again.
        raise TransportUrlError(
            f"smtp.relays: more than one is called {', '.join(twice)}; give each a name of its own."
        )
    return smtp.SmtpTransport(found, connections, timeouts)


def _named(named: Named, where: str) -> Relay:
    secret = named.password.get_secret_value() if named.password else None
    try:
        parts = _split(named.url)
        if parts.scheme not in ("smtp", "smtps"):
            raise TransportUrlError("smtp.url must begin with smtp:// or smtps://; a folder cannot be one of several.")
        if parts.password:
            raise TransportUrlError("smtp.url holds a password; write it into a file and set password_file.")
        if parts.username and not secret:
            raise TransportUrlError(
                "smtp.url: to log in there is no password; write it into a file, set password_file."
            )
        relay = _relay(parts, secret)
    except TransportUrlError as error:
        raise TransportUrlError(str(error).replace("smtp.url", f"{where}.url", 1)) from None
    return dataclasses.replace(relay, label=named.name, weight=named.weight, connections=named.connections)


def _split(url: str) -> SplitResult:
    if not url.strip():
        raise TransportUrlError(f"smtp.url is empty, so mail cannot leave. Write it like {EXAMPLES}.")
    try:
        parts = urlsplit(url.strip())
        _ = parts.port
    except ValueError:
        # Not "from" the ValueError: its text repeats the URL, password and all.
        raise TransportUrlError(f"smtp.url has no valid host and port. Write it like {EXAMPLES}.") from None
    return parts


def _folder(parts: SplitResult) -> Path:
    folder = Path(unquote(parts.path))
    if parts.netloc not in ("", "localhost") or parts.query or not folder.is_absolute() or folder == Path("/"):
        raise TransportUrlError("smtp.url: a folder is written with three slashes and its full path: file:///var/out.")
    return folder


def _relay(parts: SplitResult, password: str | None) -> Relay:
    if parts.path not in ("", "/") or parts.fragment:
        raise TransportUrlError(
            "smtp.url has something after host and port. If the password holds / # or ?, write those as %2F %23 %3F."
        )
    if not parts.hostname or parts.port == 0 or not parts.hostname.isascii() or " " in parts.hostname:
        raise TransportUrlError(f"smtp.url has no valid host and port. Write it like {EXAMPLES}.")
    options = _options(parts)
    tls = _tls(parts, options)
    username, secret = unquote(parts.username or ""), password or unquote(parts.password or "")
    if bool(username) != bool(secret):
        missing = (
            "password; set smtp.password (DIGEST_SMTP_PASSWORD)" if username else "user name; write it before the @"
        )
        raise TransportUrlError(f"smtp.url: to log in there is no {missing}.")
    return Relay(
        host=parts.hostname,
        port=parts.port or PORTS[tls],
        tls=tls,
        username=username,
        password=secret,
        ca_file=Path(options["ca"]) if "ca" in options else None,
        helo=options.get("helo", ""),
    )


def _options(parts: SplitResult) -> Mapping[str, str]:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    unknown = ", ".join(sorted(options.keys() - {"tls", "ca", "helo"}))
    if unknown:
        raise TransportUrlError(f"smtp.url: unknown option {unknown}. There are tls, ca and helo.")
    helo = options.get("helo", "x")
    if not helo or not helo.isascii() or not helo.isprintable() or " " in helo:
        raise TransportUrlError("smtp.url: helo must be this machine's host name, like mail.example.org.")
    return options


def _tls(parts: SplitResult, options: Mapping[str, str]) -> Tls:
    """Plain text only where nobody can listen, or where the operator writes that they want it."""
    if parts.scheme == "smtps":
        if "tls" in options:
            raise TransportUrlError("smtp.url: smtps:// always uses TLS; leave out tls=.")
        return Tls.IMPLICIT
    if "tls" not in options:
        return Tls.NONE if urls.is_loopback(parts.geturl()) else Tls.STARTTLS
    if options["tls"] not in (Tls.STARTTLS, Tls.NONE):
        raise TransportUrlError("smtp.url: tls must be starttls or none. For TLS from the start write smtps://.")
    return Tls(options["tls"])
