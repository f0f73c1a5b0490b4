import pytest

from digest.audience import models, suppression
from tests.support import cast

pytestmark = pytest.mark.anyio
Reason = models.SuppressionReason
KEY = "anna@example.org"


async def test_a_suppressed_address_is_covered_with_its_reason(db, now):
    async with db.transaction() as connection:
        assert await suppression.covers(connection, cast.HASHER, KEY) is None
        assert await suppression.add(connection, cast.HASHER, KEY, reason=Reason.COMPLAINED, now=now)
        assert await suppression.covers(connection, cast.HASHER, KEY) is Reason.COMPLAINED
        assert await suppression.covers(connection, cast.HASHER, "other@example.org") is None


async def test_entries_outlive_a_rotation_of_the_keys(db, now):
    before, after = suppression.Hasher(cast.KEYS[:1]), cast.HASHER
    async with db.transaction() as connection:
        await suppression.add(connection, before, KEY, reason=Reason.REFUSED, now=now)
        assert await suppression.covers(connection, after, KEY) is Reason.REFUSED
        assert not await suppression.add(connection, after, KEY, reason=Reason.ERASED, now=now)
        assert await suppression.covers(connection, after, KEY) is Reason.REFUSED


async def test_many_addresses_are_looked_up_at_once(db, now):
    keys = [f"reader{number}@example.org" for number in range(12_000)]
    async with db.transaction() as connection:
        for key in (keys[0], keys[-1]):
            await suppression.add(connection, cast.HASHER, key, reason=Reason.OPERATOR, now=now)
        covered = await suppression.covered(connection, cast.HASHER, keys)
    assert covered == {keys[0]: Reason.OPERATOR, keys[-1]: Reason.OPERATOR}


async def test_a_lifted_suppression_covers_no_more(db, now):
    async with db.transaction() as connection:
        await suppression.add(connection, suppression.Hasher(cast.KEYS[:1]), KEY, reason=Reason.ERASED, now=now)
        assert await suppression.lift(connection, cast.HASHER, KEY)
        assert not await suppression.lift(connection, cast.HASHER, KEY)
        assert await suppression.covers(connection, cast.HASHER, KEY) is None


def test_a_hash_tells_nothing_without_the_key():
    hashes = cast.HASHER.hashes(KEY)
    assert len(set(hashes)) == 2
    assert cast.HASHER.newest(KEY) == hashes[-1]
    assert set(hashes).isdisjoint(suppression.Hasher(["another-key-nobody-ever-guesses-01234567"]).hashes(KEY))
    assert cast.KEYS[0] not in repr(cast.HASHER)


@pytest.mark.parametrize(
    ("reason", "may"),
    [
        (None, True),
        (Reason.ERASED, True),
        (Reason.REFUSED, False),
        (Reason.COMPLAINED, False),
        (Reason.OPERATOR, False),
    ],
)
def test_only_who_was_erased_may_ask_to_come_back(reason, may):
    assert suppression.may_ask(reason) is may
