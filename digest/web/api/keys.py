"""The keys that open the API: made and revoked by the operator, recognised at each request.

A key reads digest_HANDLE_SECRET. The handle finds its row, the secret proves it: 256 random bits, so a plain SHA-256
is as good as a slow hash, and takes a microsecond. The form is fixed, so that scanners of repositories find keys that
leak.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications
from digest.web.api.models import ApiAnswer, ApiKey

SCOPES = {
    "articles:read": "list and get articles",
    "articles:write": "hand in, schedule and retract articles",
    "subscribers:read": "list, get and export readers: addresses are among it",
    "subscribers:write": "bring in, change and unsubscribe readers",
    "subscribers:erase": "forget readers for good",
    "editions:read": "list editions and what became of their mails",
    "editions:write": "send now, pause, resume and cancel editions",
    "suppressions:read": "list suppressions and ask for an address",
    "suppressions:write": "suppress addresses and lift suppressions",
}
FORM = re.compile(r"digest_([0-9a-f]{8})_([0-9a-f]{64})")
# To note each use would make a write of every read.
NOTED_EVERY = timedelta(hours=1)


class ApiKeyError(errors.DigestError):
    """There is no such key, or it cannot be made so."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a key is to be good for. Without a Publication it is good for all."""

    name: str
    scopes: tuple[str, ...]
    publication: str | None = None
    days: float | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A key that was recognised. `publication` is the slug of the one it is bound to."""

    id: int
    handle: str
    name: str
    scopes: frozenset[str]
    publication: str | None
    expires_at: datetime | None


async def make(connection: AsyncConnection, wish: Wish, now: datetime) -> tuple[int, str]:
    """The new key's id and the key itself, which nobody can show again. Raises ApiKeyError or PublicationError."""
    _check(wish)
    bound = (await publications.get(connection, wish.publication)).id if wish.publication else None
    handle, secret = secrets.token_hex(4), secrets.token_hex(32)
    values = {
        "handle": handle,
        "secret_hash": _hash(secret),
        "name": wish.name.strip(),
        "scopes": sorted(set(wish.scopes)),
        "publication_id": bound,
        "created_at": now,
        "expires_at": now + timedelta(days=wish.days) if wish.days else None,
    }
    new = sa.insert(ApiKey).values(values).returning(ApiKey.id)
    return int((await connection.execute(new)).scalar_one()), f"digest_{handle}_{secret}"


def _check(wish: Wish) -> None:
    if not wish.name.strip() or len(wish.name) > 100 or not wish.name.isprintable():
        raise ApiKeyError("a key needs a name of at most 100 letters that says who uses it, such as 'website'")
    unknown = sorted(set(wish.scopes) - set(SCOPES))
    if unknown or not wish.scopes:
        wrong = f"'{unknown[0]}' is no scope" if unknown else "a key needs at least one --scope"
        raise ApiKeyError(f"{wrong}; there are: {', '.join(SCOPES)}")
    if wish.publication and any(scope.startswith("suppressions:") for scope in wish.scopes):
        raise ApiKeyError("suppressions hold for all publications, so a key bound to one cannot open them")


async def find(db: database.Database, text: str, now: datetime) -> Key | None:
    """The key, if it is ours and still good: unknown, revoked and expired ones look alike."""
    found = FORM.fullmatch(text)
    if not found:
        return None
    handle, secret = found.groups()
    async with db.glance() as connection:
        row: Any = (await connection.execute(_FIND, {"handle": handle})).one_or_none()
    # Also without a row, so that the time it takes does not tell whether a handle is known.
    is_right = hmac.compare_digest(_hash(secret), row.secret_hash if row else _hash(handle))
    if row is None or not is_right or not _is_good(row, now):
        return None
    await _note(db, row, now)
    return Key(row.id, row.handle, row.name, frozenset(row.scopes), row.slug, row.expires_at)


_FIND = (
    sa.select(ApiKey, publications.Publication.slug)
    .outerjoin(publications.Publication, publications.Publication.id == ApiKey.publication_id)
    .where(ApiKey.handle == sa.bindparam("handle"))
)


def _is_good(row: sa.Row[Any], now: datetime) -> bool:
    return row.revoked_at is None and (row.expires_at is None or now < row.expires_at)


async def _note(db: database.Database, row: sa.Row[Any], now: datetime) -> None:
    if row.last_used_at is not None and now - row.last_used_at < NOTED_EVERY:
        return
    async with db.brief() as connection:
        await connection.execute(sa.update(ApiKey).where(ApiKey.id == row.id).values(last_used_at=now))


async def listing(connection: AsyncConnection) -> Sequence[Any]:
    """All keys, revoked ones too, without a secret among them."""
    columns = [column for column in ApiKey.__table__.columns if column.name != "secret_hash"]
    slug = publications.Publication.slug.label("publication")
    bound = publications.Publication.id == ApiKey.publication_id
    statement = sa.select(*columns, slug).outerjoin(publications.Publication, bound)
    return (await connection.execute(statement.order_by(ApiKey.id))).all()


async def revoke(connection: AsyncConnection, name: str, now: datetime) -> bool:
    """End a key, named by its id, its handle or the whole key; false if it was ended before. Raises ApiKeyError."""
    whole = FORM.fullmatch(name)
    handle = whole[1] if whole else name.removeprefix("digest_")
    is_named = ApiKey.handle == handle
    if handle.isascii() and handle.isdecimal() and len(handle) < 8:
        is_named = sa.or_(is_named, ApiKey.id == int(handle))
    row = (await connection.execute(sa.select(ApiKey).where(is_named).with_for_update())).one_or_none()
    if row is None:
        # What was typed may be a secret, so it is not repeated.
        raise ApiKeyError("there is no such key; see: digest keys list")
    # Answers kept for it would be said to nobody.
    await connection.execute(sa.delete(ApiAnswer).where(ApiAnswer.key_id == row.id))
    if row.revoked_at is None:
        await connection.execute(sa.update(ApiKey).where(ApiKey.id == row.id).values(revoked_at=now))
    return row.revoked_at is None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
