"""DKIM signatures (RFC 6376, RFC 8463): relaxed/relaxed, no l=, each signed header listed once more than it occurs.

Bodies must already be their own canonical form, as `mime` makes them, so the body hash is one pass over the bytes
that leave. Pure: it reads no files and no rows, and never shows a key.
"""

import base64
import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

# What a reader's program shows or acts on. Each is listed once more than it occurs, absent ones too, so that none can
# be added on the way. RFC 8058 §4: without both List-Unsubscribe headers in here no provider offers one click.
SIGNED = (
    *(b"from", b"to", b"cc", b"subject", b"date", b"message-id", b"reply-to", b"sender"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
    *(b"list-id", b"list-unsubscribe", b"list-unsubscribe-post", b"list-archive"),
    *(b"feedback-id", b"cfbl-address", b"cfbl-feedback-id", b"auto-submitted"),
)
# RFC 5322 §2.1.1 wishes for 78; a line of h= or b= beside its space and tag stays below.
LINE_WISH = 72

_PADDING, _SHA256 = padding.PKCS1v15(), hashes.SHA256()


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """A private key and the place of its public half: the TXT record at selector._domainkey.domain."""

    domain: str
    selector: str
    private: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = dataclasses.field(repr=False)

    @property
    def algorithm(self) -> str:
        return "rsa" if isinstance(self.private, rsa.RSAPrivateKey) else "ed25519"

    def sign(self, data: bytes) -> bytes:
        if isinstance(self.private, rsa.RSAPrivateKey):
            return self.private.sign(data, _PADDING, _SHA256)
        # RFC 8463 §3: what is signed is the hash, not the text.
        return self.private.sign(hashlib.sha256(data).digest())


@dataclasses.dataclass(frozen=True, slots=True)
class Listing:
    """What mails with the same header names share: where the signed fields stand, and the h= that says so."""

    places: tuple[int, ...]
    names: bytes


class Signer:
    """Signs all mails of one sender domain, once with each key."""

    def __init__(self, keys: Sequence[Key]) -> None:
        # RSA first: some verifiers look at the first signature only, and not all know Ed25519 yet.
        self.keys = tuple(sorted(keys, key=lambda key: key.algorithm != "rsa"))
        self._openings = tuple((key, _opening(key)) for key in self.keys)

    def seal(self, content: bytes, at: datetime) -> bytes:
        """The whole mail with its signatures in front."""
        end = content.index(b"\r\n\r\n") + 2
        return self.sign(content[:end], (memoryview(content)[end + 2 :],), at) + content

    def sign(self, headers: bytes, body: Iterable[bytes | memoryview], at: datetime) -> bytes:
        """The DKIM-Signature lines to put in front of these headers; `body` may come in pieces."""
        fields = canonical(headers)
        listing = _listing(tuple(name for name, _ in fields))
        signed = b"".join([fields[place][1] for place in listing.places])
        closing = b"t=%d;%b bh=%b;\r\n b=" % (at.timestamp(), listing.names, _body_hash(body))
        return b"".join([_signature(key, opening + closing, signed) for key, opening in self._openings])


def canonical(headers: bytes) -> list[tuple[bytes, bytes]]:
    """Each field's name in lower case, and the field in relaxed form (RFC 6376 §3.4.2)."""
    fields = []
    for line in headers.replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ").split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon:
            name = name.rstrip().lower()
            fields.append((name, b"%b:%b\r\n" % (name, b" ".join(value.split()))))
    return fields


def _body_hash(body: Iterable[bytes | memoryview]) -> bytes:
    digest = hashlib.sha256()
    for piece in body:
        digest.update(piece)
    return base64.b64encode(digest.digest())


def _opening(key: Key) -> bytes:
    domain, selector = key.domain.encode(), key.selector.encode()
    start = b"DKIM-Signature: v=1; a=%b-sha256; c=relaxed/relaxed;\r\n" % key.algorithm.encode()
    return start + b" d=%b;\r\n s=%b;\r\n " % (domain, selector)


# Notices and digests, with and without a name or a way out: a handful of shapes.
@functools.lru_cache(maxsize=256)
def _listing(names: tuple[bytes, ...]) -> Listing:
    places: list[int] = []
    listed: list[bytes] = []
    for name in SIGNED:
        # RFC 6376 §5.4.2: of several fields of one name the last comes first.
        found = [place for place in reversed(range(len(names))) if names[place] == name]
        places += found
        listed += [name] * (len(found) + 1)
    return Listing(tuple(places), _folded(listed))


def _folded(names: list[bytes]) -> bytes:
    lines = [b"\r\n h=" + names[0]]
    for name in names[1:]:
        if len(lines[-1]) + len(name) > LINE_WISH:
            lines.append(b"\r\n " + name)
        else:
            lines[-1] += b":" + name
    return b":".join(lines) + b";\r\n"


def _signature(key: Key, unsigned: bytes, signed: bytes) -> bytes:
    """One signature field. It covers itself, with b= still empty and no line end (RFC 6376 §3.7)."""
    _, _, value = unsigned.partition(b": ")
    text = base64.b64encode(key.sign(signed + b"dkim-signature:" + value.replace(b"\r\n ", b" ")))
    lines = [text[start : start + LINE_WISH] for start in range(0, len(text), LINE_WISH)]
    return unsigned + b"\r\n ".join(lines) + b"\r\n"


class Keyring:
    """All keys of an installation. A mail is signed for the domain of its From, or the nearest parent with a key.

    A parent's signature is aligned too (RFC 9989): d=example.org speaks for a From at news.example.org.
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.keys = tuple(keys)
        by_domain: dict[str, list[Key]] = {}
        for key in self.keys:
            by_domain.setdefault(key.domain, []).append(key)
        self._signers = {domain: Signer(found) for domain, found in by_domain.items()}

    def signer(self, domain: str) -> Signer | None:
        """None where no key is: then the relay signs, or nobody."""
        while domain:
            if domain in self._signers:
                return self._signers[domain]
            domain = domain.partition(".")[2]
        return None
