"""Instants in the database."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from digest.audience import models

pytestmark = pytest.mark.anyio


async def test_of_an_hour_that_comes_twice_each_instant_stays_itself(db):
    first = datetime(2026, 10, 25, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    second = first.replace(fold=1)
    assert first == second  # so says Python, where both are of one zone
    rows = [{"key": str(i), "text": "", "first_at": at} for i, at in enumerate((first, second, first))]
    async with db.transaction() as connection:
        await connection.execute(sa.insert(models.Wording), rows)
    async with db.reading() as connection:
        found = await connection.execute(sa.select(models.Wording.first_at).order_by(models.Wording.key))
    assert [at.astimezone(UTC).hour for at in found.scalars()] == [0, 1, 0]


async def test_an_instant_without_a_zone_is_refused(db):
    async with db.transaction() as connection:
        with pytest.raises(sa.exc.StatementError, match="naive datetime"):
            await connection.execute(sa.insert(models.Wording).values(key="k", text="", first_at=datetime(2026, 11, 2)))
