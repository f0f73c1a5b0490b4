"""DKIM keys as files and as DNS records: read, made anew, published.

Reads and writes PEM files only. What it says of a key never holds the key.
"""

import base64
import dataclasses
import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path

from cryptography import exceptions
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from digest import addresses, errors
from digest.outbox import dkim

# RFC 8301 §3.2 asks signers for 2048 and verifiers for up to 4096; each doubling makes a signature six times dearer.
RSA_BITS, MOST_RSA_BITS = 2048, 4096
# RFC 1035 §3.3: a character-string of a TXT record holds 255 octets; verifiers join several.
TXT_LIMIT = 255

# RFC 1035 §2.3.4 in the form that has dots and no length octets.
NAME_LIMIT = 253

_LABELS = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


class DkimError(errors.DigestError):
    """A DKIM key, or what digest.toml says of it, cannot be used."""


@dataclasses.dataclass(frozen=True, slots=True)
class Entry:
    """One key as the settings name it."""

    domain: str
    selector: str
    path: Path


def domain_of(text: str) -> str:
    """The domain as it goes on the wire and into DNS."""
    try:
        return addresses.parse(f"x@{text}").domain
    except addresses.AddressError:
        raise DkimError(f"{text!r} is no domain; write it like news.example.org") from None


def checked_selector(text: str, domain: str) -> str:
    found = text.lower()
    if not _LABELS.fullmatch(found):
        raise DkimError(f"selector {text!r}: use letters, digits and hyphens, like digest-2026")
    if len(record_name(domain, found)) > NAME_LIMIT:
        raise DkimError(f"selector {text!r}: {record_name(domain, found)} is too long for DNS; take a shorter one")
    return found


def load(entries: Iterable[Entry]) -> dkim.Keyring:
    """The keys in their order. Raises DkimError with every mistake at once."""
    keys: list[dkim.Key] = []
    mistakes: list[str] = []
    for entry in entries:
        try:
            key = read(entry)
            if any((key.domain, key.selector) == (other.domain, other.selector) for other in keys):
                raise DkimError(f"{record_name(key.domain, key.selector)}: two keys have this selector")
            keys.append(key)
        except DkimError as error:
            mistakes.append(str(error))
    if mistakes:
        raise DkimError("\n".join(f"dkim.keys: {line}" for line in mistakes))
    return dkim.Keyring(keys)


def read(entry: Entry) -> dkim.Key:
    domain = domain_of(entry.domain)
    selector = checked_selector(entry.selector, domain)
    return dkim.Key(domain, selector, _private(entry.path))


def _private(path: Path) -> rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey:
    try:
        text = path.read_bytes()
        mode = path.stat().st_mode
    except OSError as error:
        raise DkimError(f"{path}: cannot be read: {error.strerror}") from error
    if mode & stat.S_IWOTH:
        raise DkimError(f"{path}: anybody on this machine may write to it; chmod 600 {path}")
    try:
        key = serialization.load_pem_private_key(text, password=None)
    except TypeError:
        raise DkimError(f"{path}: is encrypted; digest needs it without a passphrase, mode 0600") from None
    except (ValueError, exceptions.UnsupportedAlgorithm):
        # Neither the error nor its cause goes on: they may quote what stands in the file.
        raise DkimError(f"{path}: holds no private key in PEM form, as `digest dkim new` makes it") from None
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise DkimError(f"{path}: DKIM knows RSA and Ed25519 keys only, this is another kind")
    if not RSA_BITS <= key.key_size <= MOST_RSA_BITS:
        raise DkimError(f"{path}: an RSA key of {key.key_size} bits; it must have {RSA_BITS} to {MOST_RSA_BITS}")
    return key


def is_open_to_all(path: Path) -> bool:
    """Whether anybody on this machine may read it. Secrets mounted into containers are, so this is no refusal."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def make(path: Path, algorithm: str) -> None:
    """A new private key in a file of its own, never over another."""
    key = ed25519.Ed25519PrivateKey.generate() if algorithm == "ed25519" else rsa.generate_private_key(65537, RSA_BITS)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise DkimError(f"{path} is there already; choose another --selector, keys are never overwritten") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def record_name(domain: str, selector: str) -> str:
    return f"{selector}._domainkey.{domain}"


def record(key: dkim.Key) -> str:
    """The text to publish (RFC 6376 §3.6.1; RFC 8463 §4 for Ed25519, whose 32 bytes stand there bare)."""
    public = key.private.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        data = public.public_bytes(serialization.Encoding.DER, form)
    else:
        data = public.public_bytes_raw()
    return f"v=DKIM1; k={key.algorithm}; p={base64.b64encode(data).decode()}"


def zone_line(key: dkim.Key) -> str:
    """The record as a line of a zone file."""
    text = record(key)
    strings = " ".join(f'"{text[start : start + TXT_LIMIT]}"' for start in range(0, len(text), TXT_LIMIT))
    return f"{record_name(key.domain, key.selector)}. IN TXT ( {strings} )"


def tags(text: str) -> dict[str, str]:
    """A record taken apart (RFC 6376 §3.2), without the white space that may stand in it anywhere."""
    pairs = ("".join(pair.split()).partition("=") for pair in text.split(";"))
    return {name: value for name, equals, value in pairs if equals}
