"""What the two dialects call by different names, and how a statement is worded so that it need be made but once.

Expressions for SQLAlchemy statements only; opens nothing and reads nothing.
"""

import enum
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import GenericFunction

from digest.database import Base, UtcDateTime


class clock_now(GenericFunction[datetime]):
    """The database server's clock, for leases: nodes whose own clocks differ must agree on who holds what."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(clock_now, "postgresql")
def _postgresql_now(_element: Any, _compiler: Any, **_: Any) -> str:
    return "clock_timestamp()"


@compiles(clock_now, "sqlite")
def _sqlite_now(_element: Any, _compiler: Any, **_: Any) -> str:
    return "strftime('%Y-%m-%d %H:%M:%f', 'now')"


class clock_after(GenericFunction[datetime]):
    """The database server's clock plus some seconds: `clock_after(10)`."""

    type = UtcDateTime()
    inherit_cache = True


@compiles(clock_after, "postgresql")
def _postgresql_after(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(clock_timestamp() + make_interval(secs => {compiler.process(element.clauses, **kw)}))"


@compiles(clock_after, "sqlite")
def _sqlite_after(element: Any, compiler: Any, **kw: Any) -> str:
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now', {compiler.process(element.clauses, **kw)} || ' seconds')"


class clock_seconds(GenericFunction[float]):
    """The database server's clock as seconds since 1970, for arithmetic finer than SQLite's dates are stored."""

    type = sa.Double()
    inherit_cache = True


@compiles(clock_seconds, "postgresql")
def _postgresql_seconds(_element: Any, _compiler: Any, **_: Any) -> str:
    return "extract(epoch FROM clock_timestamp())::double precision"


@compiles(clock_seconds, "sqlite")
def _sqlite_seconds(_element: Any, _compiler: Any, **_: Any) -> str:
    return "((julianday('now') - 2440587.5) * 86400.0)"


class greatest(GenericFunction[int]):
    """The larger of two numbers; SQLite calls it max()."""

    type = sa.BigInteger()
    inherit_cache = True


@compiles(greatest, "sqlite")
def _sqlite_greatest(element: Any, compiler: Any, **kw: Any) -> str:
    return f"max({compiler.process(element.clauses, **kw)})"


class whole(GenericFunction[int]):
    """A number without its fraction. SQLite may be built without floor(), and PostgreSQL's casts round."""

    type = sa.Integer()
    inherit_cache = True


@compiles(whole, "postgresql")
def _postgresql_whole(element: Any, compiler: Any, **kw: Any) -> str:
    return f"trunc({compiler.process(element.clauses, **kw)})::integer"


@compiles(whole, "sqlite")
def _sqlite_whole(element: Any, compiler: Any, **kw: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **kw)} AS INTEGER)"


def among(column: Any, states: Iterable[str]) -> sa.ColumnElement[bool]:
    """`column IN (…)` with the states (or other words of ours) written out, as a partial index has its condition.

    SQLite uses such an index only for a query that repeats its condition word for word; bound values do not count.
    Nor does SQLAlchemy have to write such a statement anew each time.
    """
    written = ", ".join(repr(str(state)) for state in states)
    found: sa.ColumnElement[bool] = column.op("IN", is_comparison=True)(sa.literal_column(f"({written})"))
    return found


def only(states: Iterable[enum.StrEnum]) -> dict[str, Any]:
    """What makes an Index one of rows in these states alone; worded as `among` words it."""
    condition = sa.text(f"state IN ({', '.join(repr(state.value) for state in states)})")
    return {"sqlite_where": condition, "postgresql_where": condition}


class Integers(sa.types.TypeDecorator[list[Any]]):
    """A list of integers as ONE value, so that a statement's text does not depend on how many there are."""

    impl = sa.Text
    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else postgresql.ARRAY(sa.BigInteger))

    def process_bind_param(self, value: list[Any] | None, dialect: sa.Dialect) -> Any:
        return json.dumps(value) if dialect.name == "sqlite" else value


class Texts(Integers):
    """A list of texts as one value."""

    cache_ok = True

    def load_dialect_impl(self, dialect: sa.Dialect) -> sa.types.TypeEngine[Any]:
        return dialect.type_descriptor(sa.Text() if dialect.name == "sqlite" else postgresql.ARRAY(sa.Text))


class members(GenericFunction[Any]):
    """What is in a list, as rows; see `listed`."""

    inherit_cache = True


@compiles(members, "postgresql")
def _postgresql_members(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **kw)}))"


@compiles(members, "sqlite")
def _sqlite_members(element: Any, compiler: Any, **kw: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **kw)}))"


def listed(column: orm.InstrumentedAttribute[Any], name: str) -> sa.ColumnElement[bool]:
    """Whether the column is one of the integers or texts in the parameter `name`."""
    return column.op("IN", is_comparison=True)(members(sa.bindparam(name, type_=_list_of(column))))


def one_of(column: orm.InstrumentedAttribute[Any], values: list[Any]) -> sa.ColumnElement[bool]:
    """As `listed`, of these; for a thousand it takes a fraction of what `in_` does."""
    return column.op("IN", is_comparison=True)(members(sa.literal(values, _list_of(column))))


def _list_of(column: orm.InstrumentedAttribute[Any]) -> type[Integers]:
    return Texts if isinstance(column.type, sa.Text) else Integers


class each_pair(GenericFunction[Any]):
    """`each_pair(:json).table_valued("key", "value")`: the members of a JSON object as rows; both are to be cast."""

    inherit_cache = True


@compiles(each_pair, "postgresql")
def _postgresql_pairs(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_each_text(CAST({compiler.process(element.clauses, **kw)} AS JSON))"


@compiles(each_pair, "sqlite")
def _sqlite_pairs(element: Any, compiler: Any, **kw: Any) -> str:
    return f"json_each({compiler.process(element.clauses, **kw)})"


def insert(connection: AsyncConnection, model: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that knows ON CONFLICT; both dialects spell it alike but keep it in their own class."""
    return insert_for(connection.dialect.name, model)


def insert_for(dialect: str, model: type[Base]) -> sqlite.Insert | postgresql.Insert:
    """As `insert`, for statements that are made once for each dialect."""
    return sqlite.insert(model) if dialect == "sqlite" else postgresql.insert(model)
