"""Doubt that no resend has lifted: held until the next digest is due, or until the operator says what to do."""

from collections import Counter
from datetime import timedelta

import pytest

from digest.audience.models import Subscription
from digest.outbox import doubts, models
from digest.outbox.models import Delivery
from tests.support import smtpserver, table, world as worlds

pytestmark = pytest.mark.anyio
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
ANNA = "anna@example.org"


async def in_doubt(world, tries=3):
    """A digest to Anna that was sent so many times without an answer; its id."""
    await world.subscribe(ANNA)
    await world.publish("one")
    world.server.answer("content", smtpserver.DROP, times=10**9)
    await world.run(after=DAY)
    for _ in range(tries - 1):
        await world.run(after=HOUR)
    world.server.behave()
    row = await table.row(world.parts.db, Delivery)
    assert (row.state.value, row.doubts) == ("doubtful", tries)
    return row.id


async def resolve(world, id_, verdict):
    async with world.parts.db.transaction() as connection:
        await doubts.resolve(connection, id_, doubts.Verdict(verdict), world.now)


async def states(world):
    return Counter(row.state.value for row in await table.rows(world.parts.db, Delivery))


async def test_out_of_tries_it_stays_and_is_shown(world):
    id_ = await in_doubt(world)
    for _ in range(6):
        await world.run(after=HOUR)
    row = await table.row(world.parts.db, Delivery)
    assert (row.state.value, row.retry_at, row.batch_id) == ("doubtful", None, None)
    async with world.parts.db.reading() as connection:
        [shown] = await doubts.find_all(connection, 10)
    assert (shown.id, shown.email, shown.doubts) == (id_, ANNA, 3)


async def test_when_the_next_digest_is_due_it_rolls_on_and_that_one_tells_its_articles_too(world):
    await in_doubt(world)
    await world.publish("two")
    await world.run(after=DAY)
    await world.run(after=timedelta(minutes=2))
    assert await states(world) == {"rolled": 1, "sent": 1}
    assert [set(names) for names in world.told(ANNA)] == [{"one", "two"}]


async def test_under_hold_it_counts_as_sent_then(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, smtp={"doubt": "hold"}) as world:
        await in_doubt(world, tries=1)
        await world.run(after=2 * HOUR)
        assert await states(world) == {"doubtful": 1}
        await world.publish("two")
        await world.run(after=DAY)
        await world.run(after=timedelta(minutes=2))
        assert await states(world) == {"sent": 2}
        assert world.told(ANNA) == [("two",)]


@pytest.mark.parametrize(
    ("verdict", "state", "told"),
    [("sent", "sent", [("two",)]), ("roll", "rolled", [("one", "two")]), ("resend", "sent", [("one",), ("two",)])],
)
async def test_the_operator_says_what_becomes_of_it(world, verdict, state, told):
    id_ = await in_doubt(world)
    await resolve(world, id_, verdict)
    await world.run()
    assert (await table.row(world.parts.db, Delivery)).state.value == state
    await world.publish("two")
    await world.run(after=DAY)
    assert [set(names) for names in world.told(ANNA)] == [set(names) for names in told]


async def test_sent_again_by_the_operators_word_also_under_hold_and_held_again_without_an_answer(db_url, tmp_path, now):
    async with worlds.a_world(db_url, tmp_path, now, smtp={"doubt": "hold"}) as world:
        id_ = await in_doubt(world, tries=1)
        world.server.answer("content", smtpserver.DROP, times=1)
        await resolve(world, id_, "resend")
        await resolve(world, id_, "resend")
        await world.run()
        row = await table.row(world.parts.db, Delivery)
        assert (row.state.value, row.doubts, row.batch_id) == ("doubtful", 2, None)
        await resolve(world, id_, "resend")
        await world.run()
        assert (await table.row(world.parts.db, Delivery)).state.value == "sent"


async def test_only_what_is_in_doubt_can_be_resolved(world):
    id_ = await in_doubt(world)
    await resolve(world, id_, "sent")
    with pytest.raises(doubts.DoubtError, match=f"delivery {id_} is sent, not in doubt"):
        await resolve(world, id_, "roll")
    with pytest.raises(doubts.DoubtError, match="there is no digest with the number 99"):
        await resolve(world, 99, "sent")


async def test_the_doubt_of_a_reader_who_was_erased_blocks_nobody(world):
    id_ = await in_doubt(world)
    await table.change(world.parts.db, Delivery, id_, subscription_id=77)
    assert await doubts.settle(world.parts.db, "resend", world.now) == 1
    assert (await table.row(world.parts.db, Delivery)).state is models.DeliveryState.ROLLED
    assert (await table.row(world.parts.db, Subscription)).covered_to == 0
