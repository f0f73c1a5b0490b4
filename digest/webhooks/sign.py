"""Signatures of the Standard Webhooks specification, and the secrets behind them. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from cryptography import fernet

PREFIX = "whsec_"
# The specification asks for 24 to 64 bytes.
SECRET_BYTES = 32
_PURPOSE = b"digest.webhooks"


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def headers(message_id: str, at: datetime, body: bytes, given: Sequence[str]) -> dict[str, str]:
    """What goes with a body: a signature by each secret, the newest first, so that receivers can change theirs."""
    seconds = str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    signatures = " ".join(f"v1,{_signature(secret, signed)}" for secret in given)
    return {"webhook-id": message_id, "webhook-timestamp": seconds, "webhook-signature": signatures}


def _signature(secret: str, signed: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(PREFIX))
    return base64.b64encode(hmac.digest(key, signed, "sha256")).decode()


class Seal:
    """Keeps secrets in the database unreadable for whoever has only that, such as a backup.

    Sealed under the newest signing key, opened with any: as for links, a key may be added, and none taken out.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` oldest first, as for links.Signer."""
        derived = [hmac.digest(key.encode(), _PURPOSE, hashlib.sha256) for key in reversed(keys)]
        self._box = fernet.MultiFernet([fernet.Fernet(base64.urlsafe_b64encode(key)) for key in derived])

    def close(self, secret: str) -> str:
        return self._box.encrypt(secret.encode()).decode()

    def open(self, sealed: str) -> str | None:
        """None when the key it was sealed under is gone."""
        try:
            return self._box.decrypt(sealed.encode()).decode()
        except fernet.InvalidToken:
            return None

    def __repr__(self) -> str:
        return "Seal(keys hidden)"
