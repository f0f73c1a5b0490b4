"""PostgreSQL databases with the schema in place: cloned from one that was migrated, and emptied to be used once more.

To clone one writes some 20 MB, which took longer than most tests that need one.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

# Beyond this, rows that are gone would slow down whoever comes next.
MOST_GROWTH = 4_000_000
# Whatever a test leaves behind, but for connections: rows, and how far ids have come.
_EMPTY = """
DO $$ DECLARE one text; is_used boolean; BEGIN
  SET LOCAL session_replication_role = replica;
  FOR one IN SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE 'SELECT EXISTS (SELECT FROM ' || one || ')' INTO is_used;
    IF is_used THEN EXECUTE 'DELETE FROM ' || one; END IF;
  END LOOP;
  FOR one IN SELECT oid::regclass::text FROM pg_class WHERE relkind = 'S' AND relnamespace = 'public'::regnamespace LOOP
    EXECUTE 'SELECT is_called FROM ' || one INTO is_used;
    IF is_used THEN EXECUTE 'ALTER SEQUENCE ' || one || ' RESTART'; END IF;
  END LOOP;
END $$
"""
# Clones have the very ids of their template, so any change of schema shows.
_SHAPE = """
SELECT sum(hashtext(concat(oid, relname, relkind))),
(SELECT sum(hashtext(concat(attrelid, attnum, attname, atttypid, atttypmod, attnotnull))) FROM pg_attribute),
(SELECT sum(hashtext(concat(oid, conname))) FROM pg_constraint), (SELECT sum(hashint8(oid::bigint)) FROM pg_attrdef),
(SELECT sum(hashtext(concat(oid, tgname))) FROM pg_trigger), (SELECT sum(hashtext(concat(oid, prosrc))) FROM pg_proc)
FROM pg_class
"""


@dataclass(frozen=True)
class _State:
    """What a clone is like before it is used."""

    shape: tuple[Any, ...]
    size: int
    rows: dict[str, list[dict[str, Any]]]


class Clones:
    """The databases of one server, whose maintenance database is at `url`."""

    def __init__(self, url: str) -> None:
        self._url, self._spare, self._made = url, list[str](), list[str]()
        self._fresh: _State | None = None
        # A server that was given may serve others of us too.
        self._name = f"digest_{os.getpid()}"
        # To connect takes longer than to clone.
        self._admin = sa.create_engine(url, isolation_level="AUTOCOMMIT").connect()
        self._run(f"CREATE DATABASE {self._name}")

    @property
    def template(self) -> str:
        """The URL of the database to migrate, before any is cloned."""
        return self._named(self._name)

    @contextmanager
    def one(self) -> Iterator[str]:
        """The URL of a database nobody has used."""
        name = self._spare.pop() if self._spare else self._new()
        try:
            yield self._named(name)
        finally:
            self._run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
            if self._is_as_new(name):
                self._spare.append(name)
            else:
                self._drop(name)

    def close(self) -> None:
        for name in (*self._made, self._name):
            self._drop(name)
        self._admin.close()

    def _new(self) -> str:
        name = f"{self._name}_{len(self._made)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {self._name}")
        self._made.append(name)
        return name

    def _drop(self, name: str) -> None:
        self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def _is_as_new(self, name: str) -> bool:
        engine = sa.create_engine(self._named(name))
        try:
            with engine.begin() as connection:
                if self._fresh is None:
                    self._fresh = self._state_of_new()
                connection.exec_driver_sql(_EMPTY)
                for table, rows in self._fresh.rows.items():
                    connection.execute(sa.insert(sa.table(table, *map(sa.column, rows[0]))), rows)
                size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
                shape = tuple(connection.exec_driver_sql(_SHAPE).one())
            return shape == self._fresh.shape and size <= self._fresh.size + MOST_GROWTH
        finally:
            engine.dispose()

    def _state_of_new(self) -> _State:
        name = self._new()
        engine = sa.create_engine(self._named(name))
        with engine.connect() as connection:
            size = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar_one()
            shape = tuple(connection.exec_driver_sql(_SHAPE).one())
            tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
            rows = {
                table: [dict(row._mapping) for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"')]
                for (table,) in connection.exec_driver_sql(tables).all()
            }
        engine.dispose()
        self._spare.append(name)
        return _State(shape, size, {table: found for table, found in rows.items() if found})

    def _run(self, statement: str) -> None:
        self._admin.exec_driver_sql(statement)

    def _named(self, name: str) -> str:
        return sa.make_url(self._url).set(database=name).render_as_string(hide_password=False)
