"""Who cannot be reached for too long is mailed no more; what is our own fault never counts against a reader."""

from datetime import timedelta

import pytest

from digest.audience import failing, trail
from digest.audience.models import Change, Subscription, SubscriptionState
from digest.editions import held
from digest.editions.models import Edition
from digest.outbox import misses, outcomes
from digest.outbox.models import Delivery
from tests.support import cast, table

pytestmark = pytest.mark.anyio
NOW, DAY = cast.NOW, timedelta(days=1)
FULL, OURS = "452 4.2.2 mailbox full", "451 4.3.5 our relay is set up wrongly"
UNKNOWN = "550 no, thank you"
DISLIKED = "550 5.7.26 unauthenticated mail is not accepted from this domain"
ANNA = "anna@example.org"


@pytest.mark.parametrize(
    ("count", "days", "too_many"),
    [(5, 21, True), (6, 40, True), (4, 300, False), (5, 20, False), (100, 20, False), (1, 0, False)],
)
def test_five_editions_and_three_weeks_must_both_have_passed(count, days, too_many):
    assert misses.is_too_many(count, NOW - days * DAY, NOW) is too_many


@pytest.mark.parametrize(
    ("outcome", "written"),
    [
        (outcomes.TryAt(NOW, outcomes.Blame.ADDRESS, "", is_miss=True), {"blame": "address"}),
        (outcomes.TryAt(NOW, outcomes.Blame.DESTINATION, "", is_miss=True), {"blame": "destination"}),
        (outcomes.GiveUp("", outcomes.Blame.ADDRESS, suppress=True, is_miss=True), {"blame": "address"}),
        (outcomes.TryAt(NOW, outcomes.Blame.DESTINATION, ""), {}),
        (outcomes.GiveUp("", outcomes.Blame.US, suppress=False, is_late=True), {}),
        (outcomes.Sent(), {}),
        (outcomes.Doubt(""), {}),
    ],
)
def test_only_a_refusal_for_the_readers_sake_is_remembered(outcome, written):
    assert misses.blamed(outcome) == written


@pytest.fixture
async def reader(db):
    return await cast.a_subscription(db, await cast.a_publication(db), ANNA)


async def an_end(db, reader, **values):
    usual = {"publication_id": 1, "edition_id": 1, "subscription_id": reader, "created_at": NOW, "tries": 1}
    usual |= {"state": "rolled", "blame": "destination", "finished_at": NOW}
    return await table.add(db, Delivery, **(usual | values))


async def note(db, *ids, now=NOW):
    async with db.transaction() as connection:
        await misses.note(connection, ids, now)


@pytest.mark.parametrize(
    ("values", "counts"),
    [
        ({}, 1),
        ({"state": "failed", "blame": "address"}, 1),
        ({"blame": None}, 0),
        ({"state": "sent"}, 0),
        ({"state": "withheld"}, 0),
        ({"state": "deferred", "finished_at": None}, 0),
        ({"finished_at": NOW - DAY}, 0),  # it had ended before: whoever reports it again comes too late
        ({"edition_id": None, "kind": "welcome", "state": "failed"}, 0),
    ],
)
async def test_what_counts(db, reader, values, counts):
    await note(db, await an_end(db, reader, **values))
    row = await cast.subscription(db, reader)
    assert (row.misses, row.missing_since) == (counts, NOW if counts else None)


async def test_the_last_straw_makes_the_subscription_failing_and_leaves_a_trail(db, reader):
    since = NOW - misses.SPAN
    await table.change(db, Subscription, reader, misses=misses.EDITIONS - 1, missing_since=since)
    await note(db, await an_end(db, reader))
    row = await cast.subscription(db, reader)
    assert (row.state, row.misses, row.missing_since) == (SubscriptionState.FAILING, misses.EDITIONS, since)
    [change] = await table.rows(db, Change)
    assert (change.subscription_id, change.what, change.door, change.at) == (reader, "failing", "sender", NOW)


@pytest.mark.parametrize("state", ["unsubscribed", "pending", "failing"])
async def test_who_is_no_active_reader_stays_what_they_are(db, reader, state):
    await table.change(db, Subscription, reader, state=state, misses=9, missing_since=NOW - 2 * misses.SPAN)
    await note(db, await an_end(db, reader))
    assert (await cast.subscription(db, reader)).state.value == state
    assert await table.rows(db, Change) == []


async def daily(world, days, reply=None, stage="rcpt"):
    """Something new every day, and looks at it every six hours; the relay answers always the same."""
    world.server.behave()
    if reply:
        world.server.answer(stage, reply, address="" if stage == "mail" else ANNA, times=10**9)
    for _ in range(days):
        await world.publish(f"of-{world.now:%m-%d}")
        for _ in range(4):
            await world.run(after=timedelta(hours=6))


@pytest.mark.parametrize(("stage", "reply"), [("rcpt", FULL), ("content", UNKNOWN)])
async def test_a_reader_who_cannot_be_reached_is_mailed_no_more_until_they_act(world, stage, reply):
    id_ = await world.subscribe(ANNA)
    await daily(world, 6, reply, stage)
    row = await world.subscription(ANNA)
    assert row.state is SubscriptionState.ACTIVE
    assert 5 <= row.misses <= 6  # once per Edition, however often each was tried
    await table.change(world.parts.db, Subscription, missing_since=world.now - misses.SPAN)
    await daily(world, 1, reply, stage)
    assert (await world.subscription(ANNA)).state is SubscriptionState.FAILING
    before = len(await world.deliveries(ANNA))
    await daily(world, 2)
    assert (world.told(ANNA), len(await world.deliveries(ANNA))) == ([], before)
    async with world.parts.db.transaction() as connection:
        assert await failing.reactivate(connection, [id_], door=trail.Door.PAGE, now=world.now) == 1
    await world.run(after=DAY)
    assert len(world.told(ANNA)[0]) == 9  # all they had missed


@pytest.mark.parametrize(("stage", "reply"), [("mail", OURS), ("content", DISLIKED)])
async def test_our_own_fault_makes_nobody_failing(world, stage, reply):
    await world.subscribe(ANNA)
    await daily(world, 3, reply, stage)
    row = await world.subscription(ANNA)
    assert (row.state, row.misses) == (SubscriptionState.ACTIVE, 0)


async def test_an_acceptance_starts_the_count_anew(world):
    await world.subscribe(ANNA)
    await daily(world, 3, FULL)
    assert (await world.subscription(ANNA)).misses >= 2
    await daily(world, 1)
    row = await world.subscription(ANNA)
    assert (row.misses, row.missing_since) == (0, None)


async def test_one_that_was_overtaken_while_deferred_is_a_miss_and_a_cancelled_one_is_none(world):
    await world.subscribe(ANNA)
    for verb, expected in ((None, 1), (held.cancel, 1)):
        await world.publish(f"a-{expected}-{verb is None}")
        world.server.answer("rcpt", FULL, address=ANNA, times=1)
        await world.run(after=DAY)
        edition = (await table.rows(world.parts.db, Edition))[-1].id
        assert (await world.deliveries(ANNA))[-1].state.value == "deferred"
        async with world.parts.db.transaction() as connection:
            if verb:
                await verb(connection, edition, world.now)
            else:
                values = {"publication_id": 1, "cadence_id": 1, "slot": "now-99", "due_at": world.now, "upto": 1}
                values |= {"planned_at": world.now, "state": "finished"}
                await connection.execute(Edition.__table__.insert().values(**values))
        await world.run(after=timedelta(hours=2))
        assert (await world.deliveries(ANNA))[-1].state.value == "rolled"
        assert (await world.subscription(ANNA)).misses == expected
