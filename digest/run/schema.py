"""Brings the database's schema up to date, safely when several nodes try at once.

PostgreSQL serialises by an advisory lock, SQLite by BEGIN IMMEDIATE; whoever comes second finds nothing left to do.
"""

from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import OperationalError

from digest import (
    announcements as _announcements,  # noqa: F401 - registers its tables
    database,
    errors,
)
from digest.archive import models as _archive  # noqa: F401
from digest.articles import models as _articles  # noqa: F401 - registers its tables
from digest.audience import models as _audience  # noqa: F401
from digest.editions import models as _editions  # noqa: F401
from digest.outbox import models as _outbox  # noqa: F401
from digest.run import job_tables
from digest.web.api import models as _api  # noqa: F401

# Any constant will do, as long as nothing else in the same database uses it: "digest" in ASCII.
ADVISORY_LOCK = 0x646967657374


class SchemaError(errors.DigestError):
    """The database has no schema yet, or not the one this version needs."""


def metadata() -> sa.MetaData:
    return database.Base.metadata


def _config(connection: sa.Connection | None = None) -> config.Config:
    settings = config.Config()
    settings.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    settings.attributes["connection"] = connection
    return settings


def newest() -> str:
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def upgrade(db: database.Database) -> bool:
    """Migrate to the newest schema; true when there was something to do. Raises DatabaseError if unreachable."""
    try:
        async with db.transaction() as connection:
            if not db.is_sqlite:
                await connection.execute(sa.text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
            return await connection.run_sync(_upgrade)
    except (OperationalError, OSError) as error:
        raise database.unreachable(db.engine.url, error) from error


def _upgrade(connection: sa.Connection) -> bool:
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(_config(connection), "head")
    has_new_jobs = job_tables.upgrade(connection)
    return has_new_jobs or before != newest()


async def check(db: database.Database) -> None:
    """Raises SchemaError unless the schema is the one this version needs, DatabaseError if unreachable."""
    try:
        async with db.reading() as connection:
            found = await connection.run_sync(lambda c: MigrationContext.configure(c).get_current_revision())
            is_whole = found == newest() and await connection.run_sync(job_tables.are_current)
    except (OperationalError, OSError) as error:
        raise database.unreachable(db.engine.url, error) from error
    if found is None:
        raise SchemaError("the database has no tables yet; run: digest init")
    if found != newest():
        raise SchemaError(f"the database has schema {found}, this version needs {newest()}; run: digest db upgrade")
    if not is_whole:
        raise SchemaError("the tables for Procrastinate's jobs are missing or old; run: digest db upgrade")


def is_ours(name: str | None, _kind: str, _parents: Any) -> bool:
    """Whether Alembic looks after this table or index."""
    return not (name or "").startswith(job_tables.PREFIXES)


def differences(connection: sa.Connection) -> list[Any]:
    """What the models say and the database has not; empty when the migrations are complete."""
    from alembic.autogenerate import compare_metadata

    context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_ours})
    return list(compare_metadata(context, metadata()))
