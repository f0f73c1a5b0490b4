"""Many rows in one INSERT or UPDATE, which the database takes out of one JSON text.

Handed over one by one, a row costs the driver and SQLAlchemy several times what the database itself does for it.
"""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql


class Insert:
    """Rows with these columns; the others have their defaults. In the order given, so that two who bring the same rows
    cannot wait for each other in a ring.

    `alike` are the columns with one value for all rows. `known_by`: a row that exists already, by these columns, is
    left out. Texts hold no surrogates and no NUL.
    """

    def __init__(
        self,
        model: type[database.Base],
        columns: Sequence[str],
        *,
        alike: Sequence[str] = (),
        known_by: Sequence[str] = (),
        returning: Sequence[str] = ("id",),
    ) -> None:
        self._model, self._columns, self._alike, self._known_by = model, columns, alike, known_by
        self._returning = returning
        self._statement = functools.cache(self._worded)

    async def run(self, connection: AsyncConnection, rows: Sequence[Sequence[Any]], **alike: Any) -> list[sa.Row[Any]]:
        """The columns in `returning` of those that were added."""
        if not rows:
            return []
        given = json.dumps(rows, default=_speller(connection.dialect))
        found = await connection.execute(self._statement(connection.dialect.name), {"rows": given, **alike})
        return list(found.all())

    def _worded(self, dialect: str) -> sa.Executable:
        columns = self._model.__table__.c
        cells = _cells(dialect, [columns[name] for name in self._columns])
        cells += [sa.bindparam(name, type_=columns[name].type) for name in self._alike]
        # Without a WHERE, SQLite would take ON CONFLICT for the condition of a join.
        insert = sql.insert_for(dialect, self._model).from_select(
            [*self._columns, *self._alike], sa.select(*cells).where(sa.true())
        )
        if self._known_by:
            insert = insert.on_conflict_do_nothing(index_elements=self._known_by)
        return insert.returning(*(columns[name] for name in self._returning))


async def update(
    connection: AsyncConnection, model: type[database.Base], columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> None:
    """Give these columns of many rows new values; each of `rows` is an id and its values."""
    if rows:
        given = json.dumps(rows, default=_speller(connection.dialect))
        await connection.execute(_update(connection.dialect.name, model, tuple(columns)), {"rows": given})


@functools.cache
def _update(dialect: str, model: type[database.Base], columns: tuple[str, ...]) -> sa.Executable:
    table = model.__table__
    id_, *cells = _cells(dialect, [table.c.id, *(table.c[name] for name in columns)])
    return sa.update(model).where(table.c.id == id_).values(dict(zip(columns, cells, strict=True)))


def _cells(dialect: str, columns: Sequence[Any]) -> list[Any]:
    """The values of one row, in the types of their columns."""
    cell = _cell if dialect == "sqlite" else _cast_cell
    members = sa.func.json_each if dialect == "sqlite" else sa.func.json_array_elements
    given = sa.bindparam("rows", type_=sa.Text())
    row = members(given if dialect == "sqlite" else sa.cast(given, sa.JSON)).table_valued("value").c.value
    return [cell(row, place, column) for place, column in enumerate(columns)]


def _cell(row: Any, place: int, _column: Any) -> Any:
    return sa.func.json_extract(row, sa.literal_column(f"'$[{place}]'"))


def _cast_cell(row: Any, place: int, column: Any) -> Any:
    return sa.cast(row.op("->>")(sa.literal_column(str(place))), column.type)


def _speller(dialect: sa.Dialect) -> Callable[[Any], str]:
    """How this database writes the one kind of value JSON does not know."""
    spell = database.UtcDateTime().dialect_impl(dialect).bind_processor(dialect)
    assert spell is not None
    return lambda instant: str(spell(instant))
