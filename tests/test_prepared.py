"""Prepared statements do on both databases what SQLAlchemy would do with them."""

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from digest import database, prepared, sql
from digest.audience import models

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 2, 6, tzinfo=UTC)
_ADD = prepared.Statement(
    sa.insert(models.Suppression).values(
        address_hash=sa.bindparam("hash"),
        reason=models.SuppressionReason.REFUSED,
        note="",
        created_at=sa.bindparam("now", type_=database.UtcDateTime()),
    )
)
_FIND = prepared.Statement(
    sa.select(models.Suppression.address_hash)
    .where(sql.listed(models.Suppression.address_hash, "hashes"))
    .where(models.Suppression.reason == models.SuppressionReason.REFUSED, models.Suppression.created_at <= NOW)
    .order_by(models.Suppression.id)
)


@pytest.mark.parametrize("brief", [True, False])
async def test_values_are_given_and_rows_come_back(db: database.Database, brief: bool) -> None:
    async with db.brief() if brief else db.transaction() as connection:
        for text in ("a", "b", "'; --", "ü"):
            await _ADD.run(connection, {"hash": text, "now": NOW})
        rows = await _FIND.run(connection, {"hashes": ["ü", "a", "'; --", "c"]})
        assert [text for (text,) in rows] == ["a", "'; --", "ü"]
    async with db.reading() as connection:
        found = (await connection.execute(sa.select(models.Suppression.created_at))).scalars().all()
    assert set(found) == {NOW}


async def test_errors_are_those_of_sqlalchemy(db: database.Database) -> None:
    async with db.brief() as connection:
        await _ADD.run(connection, {"hash": "a", "now": NOW})
    with pytest.raises(exc.IntegrityError):
        await _again(db)
    async with db.brief() as connection:
        assert len(await _FIND.run(connection, {"hashes": ["a", "b"]})) == 1


async def _again(db: database.Database) -> None:
    async with db.brief() as connection:
        await _ADD.run(connection, {"hash": "b", "now": NOW})
        await _ADD.run(connection, {"hash": "a", "now": NOW})


async def test_no_list_is_too_long(db: database.Database) -> None:
    async with db.brief() as connection:
        assert await _FIND.run(connection, {"hashes": [str(number) for number in range(40_000)]}) == []
