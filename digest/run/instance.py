"""The fence against copies: a database mails only from the installation it belongs to.

A restored backup or a staging copy has the same database but another name, kept outside of it: DIGEST_INSTANCE, else
the file `var/instance`. On a mismatch pages are served and nothing is mailed until `digest adopt`.
"""

import contextlib
import os
import secrets
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, sql

INSTANCE, STAMP = "instance", "stamp"


class InstanceError(errors.DigestError):
    """This database belongs to another installation."""


def is_named(home: Path, given: str) -> bool:
    """Whether `name` would find one rather than make it."""
    return bool(given) or (home / "var" / INSTANCE).exists()


def name(home: Path, given: str) -> str:
    """The name of this installation, made on first use. Raises InstanceError if it cannot be kept."""
    if given:
        return given
    path = home / "var" / "instance"
    try:
        if not path.exists():
            _make(path)
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it holds something else"
        raise InstanceError(
            f"cannot keep the name of this installation in {path}: {reason}; set DIGEST_INSTANCE instead"
        ) from None
    if not kept:
        raise InstanceError(f"{path} is empty; put the installation's name back, or delete it for a new one")
    return kept


def _make(path: Path) -> None:
    """The file appears whole and once: of two processes that start together, both read the same name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    draft.write_text(secrets.token_hex(8) + "\n", encoding="ascii")
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()


async def check(db: database.Database, own_name: str) -> None:
    """Claim a database that has no owner yet. Raises InstanceError when it has another."""
    if await look(db, own_name) is None:
        async with db.transaction() as connection:
            await _kept(connection, INSTANCE, own_name)
        await look(db, own_name)


async def look(db: database.Database, own_name: str) -> str | None:
    """The owner if that is us, None if there is none yet. Changes nothing. Raises InstanceError."""
    async with db.reading() as connection:
        owner = await _find(connection, INSTANCE)
    if owner not in (None, own_name):
        raise InstanceError(
            f"this database belongs to the installation '{owner}', this one is '{own_name}', so nothing is mailed; "
            "if the other one is gone for good, run: digest adopt"
        )
    return owner


async def adopt(db: database.Database, own_name: str) -> None:
    """Make this installation the owner."""
    async with db.transaction() as connection:
        await _kept(connection, INSTANCE, own_name)
        row = sa.update(database.Meta).where(database.Meta.key == INSTANCE)
        await connection.execute(row.values(value=own_name))


async def stamp(db: database.Database) -> str:
    """What tells this database's Message-IDs from those of any other; made once, kept for good."""
    async with db.transaction() as connection:
        return await _kept(connection, STAMP, secrets.token_hex(8))


async def _kept(connection: AsyncConnection, key: str, value: str) -> str:
    """The value kept under this key, which is ours if there was none."""
    new = sql.insert(connection, database.Meta).values(key=key, value=value).on_conflict_do_nothing()
    await connection.execute(new)
    return str(await _find(connection, key))


async def _find(connection: AsyncConnection, key: str) -> str | None:
    found = sa.select(database.Meta.value).where(database.Meta.key == key)
    return (await connection.execute(found)).scalar_one_or_none()
