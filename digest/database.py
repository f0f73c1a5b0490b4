"""The database: one async engine for SQLite and PostgreSQL, and the few places where the two differ.

Owns the engine, the column types, the base of all models and what the dialects call by different names. A write
transaction on SQLite is BEGIN IMMEDIATE: a deferred one that turns into a write fails with "database is locked"
in spite of any busy timeout, because its snapshot is stale.
"""

import asyncio
import contextlib
import enum
import functools
import os
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, orm
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.util import await_only

from digest import errors, inline

# Another process may hold the one SQLite write lock for a slice of fill (at most 100 ms); ten seconds is a fault.
BUSY_TIMEOUT_MS = 10_000


class DatabaseError(errors.DigestError):
    """The database address is wrong, or the database cannot be reached."""


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC instant; SQLite stores it as text of fixed width, so that comparing text compares time."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def bind_processor(self, dialect: sa.Dialect) -> Any:
        # Rows that are written together share most of their instants, and SQLite wants each spelled out. Only UTC is
        # remembered: in a zone's hour that comes twice, two instants are equal to Python.
        spell = super().bind_processor(dialect)
        assert spell is not None
        remembered = functools.lru_cache(maxsize=256)(spell)
        return lambda value: None if value is None else remembered(value) if value.tzinfo is UTC else spell(value)

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise TypeError(f"naive datetime {value!r} given to the database")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def states(kind: type[enum.StrEnum]) -> sa.Enum:
    """A column that holds one of an enum's values as text; adding a state later needs no ALTER TYPE."""
    return sa.Enum(kind, native_enum=False, length=20, values_callable=lambda k: [s.value for s in k])


class Base(orm.DeclarativeBase):
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        datetime: UtcDateTime(),
        dict[str, Any]: sa.JSON(),
        list[Any]: sa.JSON(),
        str: sa.Text(),
    }


class Meta(Base):
    """Facts about this database itself: the instance that owns it, its stamp for Message-IDs."""

    __tablename__ = "meta"
    key: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    value: orm.Mapped[str]


class Database:
    """An engine with two doors: `transaction()` to write, `reading()` for a consistent look."""

    def __init__(self, engine: AsyncEngine, brisk: AsyncEngine | None = None) -> None:
        self.engine = engine
        self._reader = engine.execution_options(digest_reading=True)
        # The same where there is only one way.
        self._brisk = brisk or engine
        self._brisk_reader = self._brisk.execution_options(digest_reading=True)
        # Who asks first has the one write lock of SQLite first; by chance, a reader's click may wait behind a sender
        # that comes again and again.
        self._turns: asyncio.Lock | contextlib.nullcontext[None] = (
            asyncio.Lock() if self.is_sqlite else contextlib.nullcontext()
        )

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @property
    def can_skip_locked(self) -> bool:
        return not self.is_sqlite

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """A write transaction: committed at the end, rolled back when the block raises."""
        async with self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that only reads; on SQLite it takes no write lock."""
        async with self._reader.connect() as connection:
            yield connection

    @asynccontextmanager
    async def brief(self) -> AsyncIterator[AsyncConnection]:
        """As `transaction`, at a fraction of the cost, for a few short statements that find their rows by a key.

        On SQLite they run in the event loop itself, so anything longer would hold up everything else.
        """
        async with self._turns, self._brisk.begin() as connection:
            yield connection

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncConnection]:
        """As `reading`, for short statements; see `brief`."""
        connection = await self._brisk_reader.connect()
        try:
            yield connection
        finally:
            # A task of its own closes it even if ours is cancelled meanwhile. Where nothing waits (SQLite) it would
            # only let others in between, and then a hundred who look need a hundred connections.
            await (connection.close() if self.is_sqlite else asyncio.shield(connection.close()))

    async def ping(self) -> None:
        """One round trip. Raises DatabaseError when the database does not answer."""
        try:
            async with self.reading() as connection:
                await connection.execute(sa.text("SELECT 1"))
        except (OperationalError, OSError) as error:
            raise unreachable(self.engine.url, error) from error

    async def close(self) -> None:
        await self.engine.dispose()
        if self._brisk is not self.engine:
            await self._brisk.dispose()


def unreachable(url: URL, error: BaseException) -> DatabaseError:
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
    return DatabaseError(f"cannot open the database {shown(url)}: {reason}; check DIGEST_DATABASE_URL")


def shown(url: URL) -> str:
    """The address as an operator writes it: without the driver we chose, and without a password."""
    return url.set(drivername=url.get_backend_name()).render_as_string(hide_password=True)


def parse_url(text: str) -> URL:
    """A database URL with the driver we use. Raises DatabaseError for any other database."""
    try:
        url = make_url(text)
    except ArgumentError:
        raise DatabaseError(
            "the database URL cannot be read; write sqlite:///var/digest.db or postgresql://user@host/name"
        ) from None
    drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    backend = url.drivername.split("+")[0]
    if backend not in drivers:
        raise DatabaseError(f"'{backend}' is no database digest knows; use sqlite:///… or postgresql://…")
    if backend == "sqlite" and url.database in (None, "", ":memory:"):
        raise DatabaseError("an SQLite database needs a file, for example sqlite:///var/digest.db")
    return url.set(drivername=drivers[backend])


def connect(text: str, *, pool_size: int = 8) -> Database:
    """A Database for this URL; opens nothing yet but makes sure that an SQLite file is private.

    Raises DatabaseError when the URL is wrong or the folder of the file cannot be written.
    """
    url = parse_url(text)
    if url.get_backend_name() != "sqlite":
        # None beyond those that are kept: one more for a moment would be opened and closed for each request, and a
        # process of PostgreSQL's with it.
        engine = create_async_engine(
            url, pool_size=2 * pool_size, max_overflow=0, pool_pre_ping=True, hide_parameters=True
        )
        return Database(engine)
    _make_private(Path(str(url.database)))
    # Parameters hold addresses, which belong in no traceback.
    engine = create_async_engine(url, pool_size=pool_size, hide_parameters=True)
    event.listen(engine.sync_engine, "connect", _prepare_sqlite)
    event.listen(engine.sync_engine, "begin", _begin_sqlite)
    brisk = create_async_engine(
        url.set(drivername="sqlite+inline"),
        pool_size=pool_size,
        hide_parameters=True,
        connect_args=inline.connect_arguments(),
    )
    event.listen(brisk.sync_engine, "connect", _prepare_inline)
    event.listen(brisk.sync_engine, "begin", _begin_inline)
    return Database(engine, brisk)


def _make_private(path: Path) -> None:
    """SQLite's -wal and -shm files inherit the mode of the file, so it is made 0600 before anything opens it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseError(
            f"cannot write the database file {path}: {error.strerror}; choose a folder that can be written, "
            "with DIGEST_HOME or DIGEST_DATABASE_URL"
        ) from None


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver's own BEGIN would come too late and be deferred
    for pragma in (
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",  # a power cut may not un-record an accepted mail; free at grouped commits
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "cache_size=-32768",
    ):
        _set(connection, pragma)


def _set(connection: Any, pragma: str) -> None:
    """One PRAGMA. To change the journal of a new file takes the lock of all of it, for which SQLite does not wait."""
    deadline = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        cursor = connection.cursor()
        try:
            cursor.execute(f"PRAGMA {pragma}")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
        finally:
            cursor.close()
        # Whoever holds it may need this very loop to go on.
        await_only(asyncio.sleep(0.01))


def _prepare_inline(connection: Any, record: Any) -> None:
    _prepare_sqlite(connection, record)
    # Whoever holds the lock is waited for outside of SQLite.
    connection.execute("PRAGMA busy_timeout=0")


def _begin_inline(connection: sa.Connection) -> None:
    if connection.get_execution_options().get("digest_reading", False):
        connection.exec_driver_sql("BEGIN")
    else:
        inline.begin(connection, "BEGIN IMMEDIATE", BUSY_TIMEOUT_MS / 1000)


def _begin_sqlite(connection: sa.Connection) -> None:
    reading = connection.get_execution_options().get("digest_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
