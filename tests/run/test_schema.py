"""The schema arrives whole, once, whoever brings it."""

import asyncio
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from digest import database
from digest.run import schema

pytestmark = pytest.mark.anyio


async def test_the_migrations_build_what_the_models_say(db: database.Database) -> None:
    async with db.reading() as connection:
        assert await connection.run_sync(schema.differences) == []


async def test_two_nodes_may_upgrade_an_empty_database_at_once(tmp_path: Path, postgres_server: str) -> None:
    for url in (f"sqlite:///{tmp_path}/new.db", _fresh_database(postgres_server)):
        nodes = [database.connect(url) for _ in range(4)]
        did = await asyncio.gather(*(schema.upgrade(node) for node in nodes))
        assert sorted(did) == [False, False, False, True]
        await schema.check(nodes[0])
        for node in nodes:
            await node.close()


async def test_an_empty_database_is_told_apart_from_an_old_one(tmp_path: Path) -> None:
    db = database.connect(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(schema.SchemaError, match="digest init"):
        await schema.check(db)
    await db.close()


async def test_the_sqlite_file_and_its_companions_are_private(tmp_path: Path) -> None:
    db = database.connect(f"sqlite:///{tmp_path}/private.db")
    await schema.upgrade(db)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("private.db*")}
    assert modes == {0o600}
    await db.close()


async def test_concurrent_writers_lose_nothing(db: database.Database) -> None:
    async with db.transaction() as connection:
        await connection.execute(sa.insert(database.Meta).values(key="count", value="0"))

    is_count = database.Meta.key == "count"

    async def add_one() -> None:
        async with db.transaction() as connection:
            row = sa.select(database.Meta.value).where(is_count).with_for_update()
            count = int((await connection.execute(row)).scalar_one())
            await connection.execute(sa.update(database.Meta).where(is_count).values(value=str(count + 1)))

    await asyncio.gather(*(add_one() for _ in range(20)))
    async with db.reading() as connection:
        assert (await connection.execute(sa.select(database.Meta.value).where(is_count))).scalar_one() == "20"


def _fresh_database(server: str) -> str:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS fresh")
        connection.exec_driver_sql("CREATE DATABASE fresh")
    engine.dispose()
    return sa.make_url(server).set(database="fresh").render_as_string(hide_password=False)
