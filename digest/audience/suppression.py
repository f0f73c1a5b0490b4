"""Which addresses we may not write to, and why.

Owns the Suppression rows. They hold a keyed hash of the address only: the list tells nobody who is on it, and still
recognises who comes again. Covers all Publications, for a mailbox that is gone is gone for each of them.
"""

import functools
import hmac
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import bulk, prepared, sql
from digest.audience import models

_PURPOSE = b"digest.suppression"
# Some 2 MB: a reader is asked for when looked at and again at the hand-over.
_REMEMBERED = 10_000


class Hasher:
    """HMAC-SHA-256 of an address key under each signing key: adding a newer key leaves the old entries working.

    Taking a key out of the configuration forgets the entries made while it was the newest.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        """`keys` oldest first, as for links.Signer."""
        # A key of its own for this purpose, so that no token is ever a hash of an address.
        self._keys = [hmac.digest(key.encode(), _PURPOSE, "sha256") for key in keys]
        self._remembered = functools.lru_cache(maxsize=_REMEMBERED)(self._hashes)

    def hashes(self, address_key: str) -> tuple[str, ...]:
        return self._remembered(address_key)

    def _hashes(self, address_key: str) -> tuple[str, ...]:
        return tuple(hmac.digest(key, address_key.encode(), "sha256").hex() for key in self._keys)

    def newest(self, address_key: str) -> str:
        return hmac.digest(self._keys[-1], address_key.encode(), "sha256").hex()

    def __repr__(self) -> str:
        return "Hasher(keys hidden)"


async def covers(connection: AsyncConnection, hasher: Hasher, address_key: str) -> models.SuppressionReason | None:
    """Why we may not write to this address, or None when we may."""
    return (await covered(connection, hasher, [address_key])).get(address_key)


async def find(connection: AsyncConnection, hasher: Hasher, address_key: str) -> sa.Row[Any] | None:
    """The entry of this address."""
    is_it = models.Suppression.address_hash.in_(hasher.hashes(address_key))
    return (await connection.execute(sa.select(models.Suppression).where(is_it).limit(1))).one_or_none()


async def covered(
    connection: AsyncConnection, hasher: Hasher, address_keys: Iterable[str]
) -> dict[str, models.SuppressionReason]:
    """Of these addresses the suppressed ones, each with its reason."""
    owners = {found: key for key in address_keys for found in hasher.hashes(key)}
    rows = await _COVERED.run(connection, {"hashes": list(owners)})
    return {owners[address_hash]: models.SuppressionReason(reason) for address_hash, reason in rows}


_COVERED = prepared.Statement(
    sa.select(models.Suppression.address_hash, models.Suppression.reason).where(
        sql.listed(models.Suppression.address_hash, "hashes")
    )
)


async def add(
    connection: AsyncConnection,
    hasher: Hasher,
    address_key: str,
    *,
    reason: models.SuppressionReason,
    now: datetime,
) -> bool:
    """Suppress an address; false when it already was, whose reason then stays."""
    if await covers(connection, hasher, address_key):
        return False
    added = await connection.execute(
        sql.insert(connection, models.Suppression)
        .values(address_hash=hasher.newest(address_key), reason=reason, created_at=now)
        .on_conflict_do_nothing()
        # Asked for what was added: PostgreSQL's driver does not count the rows of an INSERT.
        .returning(models.Suppression.id)
    )
    return added.first() is not None


async def add_all(
    connection: AsyncConnection, hasher: Hasher, reasons: Mapping[str, models.SuppressionReason], *, now: datetime
) -> int:
    """Suppress these address keys, of which none is covered yet; how many that were."""
    # In one order everywhere, or two lists at once could wait for each other for ever.
    rows = sorted((hasher.newest(key), reason) for key, reason in reasons.items())
    return len(await _ADDED.run(connection, rows, created_at=now))


_ADDED = bulk.Insert(models.Suppression, ("address_hash", "reason"), alike=("created_at",), known_by=("address_hash",))


async def lift(connection: AsyncConnection, hasher: Hasher, address_key: str) -> bool:
    """Let mail go to this address again; false when nothing stopped it."""
    lifted = await connection.execute(
        sa.delete(models.Suppression).where(models.Suppression.address_hash.in_(hasher.hashes(address_key)))
    )
    return bool(lifted.rowcount)


def may_ask(reason: models.SuppressionReason | None) -> bool:
    """Whether one request to confirm may go out. Who was erased may come back by their own wish, the others not."""
    return reason in (None, models.SuppressionReason.ERASED)
