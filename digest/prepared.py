"""Statements that run for every turn of sending: compiled once for each database, then given to its driver as they are.

SQLAlchemy builds them, opens the connection and ends the transaction; only its work per execution is left out, which
costs several times what SQLite itself needs for a short statement. Rows come as the driver gives them: plain tuples,
in which dates and enums are not converted.
"""

import dataclasses
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

Row = tuple[Any, ...]


@dataclasses.dataclass(frozen=True)
class _Compiled:
    """The text in the driver's dialect, and how the values are to be handed over with it."""

    text: str
    given: dict[str, Any]
    order: Sequence[str] | None
    convert: dict[str, Callable[[Any], Any]]

    def parameters(self, values: Mapping[str, Any]) -> Any:
        found = dict(self.given)
        for name, value in values.items():
            found[name] = self.convert[name](value) if name in self.convert else value
        return found if self.order is None else [found[name] for name in self.order]


class Statement:
    """A statement whose text never changes; values go by the names of its parameters."""

    def __init__(self, statement: Any) -> None:
        self._statement = statement
        self._compiled: dict[str, _Compiled] = {}

    async def run(self, connection: AsyncConnection, values: Mapping[str, Any]) -> list[Row]:
        """Its rows, if it has any. Raises what SQLAlchemy would raise."""
        compiled = self._for(connection.dialect)
        parameters = compiled.parameters(values)
        # Only to see that the connection is in use and well; the driver's own is what we need.
        driver: Any = (await connection.get_raw_connection()).driver_connection
        try:
            return await _run(driver, compiled.text, parameters)
        except connection.dialect.loaded_dbapi.Error as error:
            raise exc.DBAPIError.instance(
                compiled.text,
                None,
                error,
                connection.dialect.loaded_dbapi.Error,
                hide_parameters=True,
                dialect=connection.dialect,
            ) from error

    def _for(self, dialect: sa.Dialect) -> _Compiled:
        key = f"{dialect.name}+{dialect.driver}"
        if key not in self._compiled:
            self._compiled[key] = _compile(self._statement, dialect)
        return self._compiled[key]


async def _run(driver: Any, text: str, parameters: Any) -> list[Row]:
    if isinstance(driver, sqlite3.Connection):
        return driver.execute(text, parameters).fetchall()
    cursor = await driver.execute(text, parameters)
    rows = await cursor.fetchall() if cursor.description else []
    await cursor.close()
    return list(rows)


def _compile(statement: Any, dialect: sa.Dialect) -> _Compiled:
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    kinds = {
        name: bind.type.dialect_impl(dialect).bind_processor(dialect) for bind, name in compiled.bind_names.items()
    }
    convert = {name: kind for name, kind in kinds.items() if kind is not None}
    given = {name: convert[name](value) if name in convert else value for name, value in compiled.params.items()}
    return _Compiled(str(compiled), given, compiled.positiontup, convert)
