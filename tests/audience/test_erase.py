import pytest
import sqlalchemy as sa

from digest.audience import erase, models, suppression, trail, unsubscribe
from digest.links import MailToken
from tests.support import cast

pytestmark = pytest.mark.anyio


async def test_erasing_keeps_a_hash_and_nothing_else(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication)
    other = await cast.a_subscription(db, publication, "ben@example.org")
    async with db.transaction() as connection:
        for one in (reader, other):
            await unsubscribe.leave(connection, MailToken(one, 1, 1), door=trail.Door.PAGE, now=now)
        assert await erase.erase(connection, cast.HASHER, "anna@example.org", now=now)
        assert not await erase.erase(connection, cast.HASHER, "anna@example.org", now=now)
    rows = await cast.everything(db)
    assert "anna" not in str(rows)
    assert [len(rows[table]) for table in ("subscribers", "subscriptions", "changes", "suppressions")] == [1, 1, 1, 1]
    async with db.transaction() as connection:
        covered = await suppression.covers(connection, cast.HASHER, "anna@example.org")
        assert covered is models.SuppressionReason.ERASED
        left = await unsubscribe.leave(connection, MailToken(reader, 1, 1), door=trail.Door.PAGE, now=now)
        assert left is unsubscribe.Leaving.UNKNOWN


async def test_ids_are_never_used_again(db, now):
    publication = await cast.a_publication(db)
    first = await cast.a_subscription(db, publication)
    async with db.transaction() as connection:
        await erase.erase(connection, cast.HASHER, "anna@example.org", now=now)
    assert await cast.a_subscription(db, publication, "ben@example.org") > first


async def test_somebody_we_never_knew_is_remembered_not_to_be_brought_in(db, now):
    async with db.transaction() as connection:
        assert not await erase.erase(connection, cast.HASHER, "anna@example.org", now=now)
        assert (await connection.scalar(sa.select(models.Suppression.reason))) is models.SuppressionReason.ERASED
