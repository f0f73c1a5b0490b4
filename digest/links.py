"""Signed tokens for links: one per Delivery for all its paths, and short-lived ones to confirm a sign-up.

Owns the keys and one salt per purpose. Tokens carry opaque ids and a generation, never an address. Reads and
leaves no rows: what a token may still do is decided by whoever holds the Subscription. Reading never raises.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import itsdangerous
import itsdangerous.signer

from digest import errors

# A SHA-256 HMAC gains nothing from longer keys, and shorter ones can be guessed.
MIN_KEY_LENGTH = 32
# "x" * 32 and the like are placeholders, not keys; 32 random characters never have this few different ones.
MIN_KEY_CHARACTERS = 5
# Three 64-bit numbers in base 36, their dots and the signature take 85; longer text is not worth hashing.
MAX_TOKEN_LENGTH = 100
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class KeyProblem(errors.DigestError):
    """The secret keys that sign links are missing or too weak."""


class MailToken(NamedTuple):
    """What a link in a sent mail says: whose Subscription, as of which generation, by which Delivery."""

    subscription_id: int
    generation: int
    delivery_id: int


class ConfirmToken(NamedTuple):
    """What a link that expires says: which Subscription, as of which generation, and when it was asked for."""

    subscription_id: int
    generation: int
    asked_at: datetime


class ChangeToken(NamedTuple):
    """What a link to agree to another address says: which change, and when its mail was written."""

    change_id: int
    asked_at: datetime


class FeedToken(NamedTuple):
    """What the address of a reader's own feed says: whose Subscription, as of which generation."""

    subscription_id: int
    generation: int


class Signer:
    """Signs with the newest key and verifies with all, so that rotating keys breaks no link already sent."""

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` oldest first. Raises KeyProblem when there are none or one is weak."""
        _check(keys)
        self._mail = _CachedSigner(keys, salt=b"digest.mail")
        self._confirm = _CachedSigner(keys, salt=b"digest.confirm")
        self._address = _CachedSigner(keys, salt=b"digest.address")
        self._moving = _CachedSigner(keys, salt=b"digest.moving")
        self._manage = _CachedSigner(keys, salt=b"digest.manage")
        self._form = _CachedSigner(keys, salt=b"digest.form")
        self._feed = _CachedSigner(keys, salt=b"digest.feed")

    def mail_token(self, subscription_id: int, generation: int, delivery_id: int) -> str:
        """The one token of a Delivery; it never expires, for an unsubscribe link must work for ever."""
        return self._mail.sign(_pack(subscription_id, generation, delivery_id)).decode()

    def read_mail_token(self, text: str) -> MailToken | None:
        numbers = _read(self._mail, text)
        return MailToken(*numbers) if numbers else None

    def confirm_token(self, subscription_id: int, generation: int, at: datetime) -> str:
        return self._confirm.sign(_pack(subscription_id, generation, int(at.timestamp()))).decode()

    def address_token(self, change_id: int, at: datetime) -> str:
        """To have somebody's mail come here from now on; that it is not a sign-up is why it is none of those."""
        return self._address.sign(_pack(change_id, 0, int(at.timestamp()))).decode()

    def moving_token(self, change_id: int, at: datetime) -> str:
        """To let one's mail go to another address."""
        return self._moving.sign(_pack(change_id, 0, int(at.timestamp()))).decode()

    def manage_token(self, subscription_id: int, generation: int, at: datetime) -> str:
        """To all of one's settings and data, which is more than a forwarded mail may open."""
        return self._manage.sign(_pack(subscription_id, generation, int(at.timestamp()))).decode()

    def feed_token(self, subscription_id: int, generation: int) -> str:
        """To read what was sent, and nothing else. A program asks with it for years, so it never expires."""
        return self._feed.sign(_pack(subscription_id, generation, 0)).decode()

    def read_feed_token(self, text: str) -> FeedToken | None:
        numbers = _read(self._feed, text)
        return FeedToken(*numbers[:2]) if numbers else None

    def read_confirm_token(self, text: str, now: datetime, max_age: timedelta) -> ConfirmToken | None:
        """None also when older than `max_age`. `now` is handed in because link age follows the caller's clock."""
        return self._read_timed(self._confirm, text, now, max_age)

    def read_address_token(self, text: str, now: datetime, max_age: timedelta) -> ChangeToken | None:
        found = self._read_timed(self._address, text, now, max_age)
        return ChangeToken(found.subscription_id, found.asked_at) if found else None

    def read_moving_token(self, text: str, now: datetime, max_age: timedelta) -> ChangeToken | None:
        found = self._read_timed(self._moving, text, now, max_age)
        return ChangeToken(found.subscription_id, found.asked_at) if found else None

    def read_manage_token(self, text: str, now: datetime, max_age: timedelta) -> ConfirmToken | None:
        return self._read_timed(self._manage, text, now, max_age)

    def form_token(self, at: datetime) -> str:
        """When a form was shown, for the form to bring back: who fills one in within a second is no person."""
        return self._form.sign(_pack(0, 0, int(at.timestamp()))).decode()

    def form_age(self, text: str, now: datetime) -> timedelta | None:
        """How long ago that was; None for what is no such token."""
        numbers = _read(self._form, text)
        return now - datetime.fromtimestamp(numbers[2], UTC) if numbers else None

    @staticmethod
    def _read_timed(signer: "_CachedSigner", text: str, now: datetime, max_age: timedelta) -> ConfirmToken | None:
        numbers = _read(signer, text)
        if numbers is None:
            return None
        subscription_id, generation, seconds = numbers
        # A date ahead of `now` is accepted: only we can sign one, so it means a clock set back, not an attack.
        if now.timestamp() - seconds > max_age.total_seconds():
            return None
        return ConfirmToken(subscription_id, generation, datetime.fromtimestamp(seconds, UTC))

    def __repr__(self) -> str:
        return "Signer(keys hidden)"


class _OneShotHmac(itsdangerous.signer.SigningAlgorithm):
    """HMAC-SHA-256 by the one-shot C function, at a third of the cost of building an hmac object per token."""

    def get_signature(self, key: bytes, value: bytes) -> bytes:
        return hmac.digest(key, value, "sha256")


class _CachedSigner(itsdangerous.Signer):
    """itsdangerous derives the salted key afresh for each signature; ours never changes, so it is kept."""

    def __init__(self, keys: Sequence[str], *, salt: bytes) -> None:
        super().__init__(list(keys), salt=salt, digest_method=hashlib.sha256, algorithm=_OneShotHmac())
        derive = super().derive_key
        self._derived = {key: derive(key) for key in self.secret_keys}
        self._newest = self._derived[self.secret_keys[-1]]

    def sign(self, value: str | bytes) -> bytes:
        """As its parent's, which finds key and algorithm anew each time."""
        text = value.encode() if isinstance(value, str) else value
        return text + b"." + itsdangerous.base64_encode(hmac.digest(self._newest, text, "sha256"))

    def derive_key(self, secret_key: str | bytes | None = None) -> bytes:
        return self._derived[itsdangerous.want_bytes(secret_key or self.secret_keys[-1])]


def _check(keys: Sequence[str]) -> None:
    if not keys:
        raise KeyProblem("There is no secret key. Run `digest init`, or set DIGEST_SECRET_KEYS.")
    for number, key in enumerate(keys, 1):
        where = f"Secret key {number} of {len(keys)}"
        if len(key) < MIN_KEY_LENGTH:
            raise KeyProblem(f"{where} has {len(key)} characters; each needs at least {MIN_KEY_LENGTH} random ones.")
        if len(set(key)) < MIN_KEY_CHARACTERS or "changeme" in key.lower().replace("-", "").replace("_", ""):
            raise KeyProblem(f"{where} is a placeholder. Put {MIN_KEY_LENGTH} or more random characters there.")


def _read(signer: _CachedSigner, text: str) -> tuple[int, int, int] | None:
    if len(text) > MAX_TOKEN_LENGTH or not text.isascii() or "\x00" in text:
        return None
    try:
        payload = signer.unsign(text).decode()
        first, second, third = (int(part, 36) for part in payload.split("."))
    except (itsdangerous.BadSignature, ValueError):
        return None
    # Base 64 leaves two bits of the last character unused, so four spellings verify; we take the one we wrote.
    signature = text.rpartition(".")[2].encode()
    if itsdangerous.base64_encode(itsdangerous.base64_decode(signature)) != signature:
        return None
    return first, second, third


def _pack(*numbers: int) -> str:
    return ".".join(map(base36, numbers))


def base36(number: int) -> str:
    """The shortest spelling that case-folding mail systems cannot damage; `int(text, 36)` reads it back."""
    if number < 0:
        raise ValueError(f"{number} is negative")
    digits = ""
    while number >= 36:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
    return _DIGITS[number] + digits
