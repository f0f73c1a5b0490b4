"""Rows as they stand, and rows changed behind the program's back."""

from typing import Any

import sqlalchemy as sa

from digest import database


async def rows(db: database.Database, model: Any, **equal: Any) -> list[Any]:
    """All rows of a table whose columns equal these, by id."""
    async with db.reading() as connection:
        statement = sa.select(model).filter_by(**equal).order_by(*model.__table__.primary_key)
        return list((await connection.execute(statement)).all())


async def row(db: database.Database, model: Any, **equal: Any) -> Any:
    [found] = await rows(db, model, **equal)
    return found


async def column(db: database.Database, attribute: Any, **equal: Any) -> list[Any]:
    return [getattr(found, attribute.key) for found in await rows(db, attribute.class_, **equal)]


async def change(db: database.Database, model: Any, id_: int | None = None, **values: Any) -> None:
    """One row, or all of the table."""
    statement = sa.update(model).values(values)
    async with db.transaction() as connection:
        await connection.execute(statement if id_ is None else statement.where(model.id == id_))


async def add(db: database.Database, model: Any, **values: Any) -> int:
    async with db.transaction() as connection:
        return int((await connection.execute(sa.insert(model).values(values).returning(model.id))).scalar_one())
