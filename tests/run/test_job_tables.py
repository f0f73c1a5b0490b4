"""Procrastinate's tables come with ours, once, and grow with its versions."""

import pytest
import sqlalchemy as sa
from procrastinate import schema as theirs

from digest import database
from digest.run import job_tables, schema
from tests.support import table

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("db_url", ["postgres"], indirect=True)]


async def test_an_upgrade_brings_them_and_another_changes_nothing(db):
    async with db.reading() as connection:
        assert await connection.run_sync(job_tables.are_current)
        assert await connection.scalar(sa.text("SELECT count(*) FROM procrastinate_jobs")) == 0
    assert not await schema.upgrade(db)


async def test_a_newer_version_of_theirs_brings_its_changes_and_asks_for_an_upgrade(db, tmp_path, monkeypatch):
    for name, script in (
        ("03.00.00_01_old.sql", "DROP TABLE procrastinate_jobs;"),
        ("88.00.00_01_new.sql", "CREATE TABLE procrastinate_more (share text DEFAULT '100 %'); SELECT 1;"),
        ("88.00.00_50_newer.sql", "ALTER TABLE procrastinate_more ADD COLUMN and_more int;"),
    ):
        (tmp_path / name).write_text(script)
    monkeypatch.setattr(theirs.SchemaManager, "get_migrations_path", lambda: str(tmp_path))
    with pytest.raises(schema.SchemaError, match="digest db upgrade"):
        await schema.check(db)
    assert await schema.upgrade(db)
    await schema.check(db)
    [kept] = await table.column(db, database.Meta.value, key=job_tables.KEPT)
    assert kept == "88.00.00_50_newer.sql"
    async with db.reading() as connection:
        await connection.execute(sa.text("SELECT share, and_more FROM procrastinate_more"))
        assert await connection.run_sync(schema.differences) == []
