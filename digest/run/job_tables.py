"""Procrastinate's own tables and functions on PostgreSQL, brought up to date together with ours.

It ships its schema as one script and later changes as further scripts, and keeps no note of what was run. We keep the
name of the newest one. They are put into every PostgreSQL database, so that the engine is a matter of settings alone.
"""

from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa

from digest import database

# Under which the newest script that was run is kept in `meta`.
KEPT = "procrastinate"
# All names Procrastinate gives in the schema begin so.
PREFIXES = ("procrastinate_", "idx_procrastinate_")


def are_current(connection: sa.Connection) -> bool:
    return connection.dialect.name != "postgresql" or _kept(connection) == _newest()


def upgrade(connection: sa.Connection) -> bool:
    """Whether there was something to do. The caller holds the lock that lets one node upgrade at a time."""
    if are_current(connection):
        return False
    kept = _kept(connection)
    for script in _scripts(kept):
        # Without parameters a script of several statements is sent as it is; a % would be read as one of them.
        connection.exec_driver_sql(script.replace("%", "%%"))
    row = {"key": KEPT, "value": _newest()}
    connection.execute(sa.insert(database.Meta) if kept is None else sa.update(database.Meta).where(_is_kept()), row)
    return True


def _scripts(kept: str | None) -> Iterator[str]:
    """What has to be run to come from there to the newest."""
    from procrastinate import schema

    if kept is None:
        yield schema.SchemaManager.get_schema()
        return
    yield from (path.read_text(encoding="utf-8") for path in _changes() if path.name > kept)


def _newest() -> str:
    return _changes()[-1].name


def _changes() -> list[Path]:
    """Named by version and number, so that their order is that of their names."""
    from procrastinate import schema

    return sorted(Path(schema.SchemaManager.get_migrations_path()).glob("*.sql"))


def _kept(connection: sa.Connection) -> str | None:
    return connection.execute(sa.select(database.Meta.value).where(_is_kept())).scalar()


def _is_kept() -> sa.ColumnElement[bool]:
    return database.Meta.key == KEPT
