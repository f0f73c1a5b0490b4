"""Fill writes candidates in slices: each reader once, those with nothing settled, and no harm in being asked again."""

import asyncio
from datetime import date, timedelta

import pytest
import sqlalchemy.exc

from digest import database
from digest.audience import models as audience, preferences
from digest.audience.models import Subscription, SubscriptionState
from digest.editions import contents, plan
from digest.editions.models import Edition, EditionState
from digest.outbox import fill, models
from digest.outbox.models import Batch, Delivery, DeliveryState
from digest.publications import Publication
from tests.support import cast, table

pytestmark = pytest.mark.anyio

H, L = ("heart",), ("lungs",)
NEXT_DAY = cast.NOW + timedelta(days=1)


@pytest.fixture
async def publication(db):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, H, H, H)
    await table.change(db, cast.articles.Article, released_at=cast.NOW)
    return publication


def a_filler(**sizes):
    return fill.Filler(contents.Shelves(), contents.Topics(), **sizes)


def a_choice(*topics, frequency="daily"):
    return preferences.fulfil(cast.a_spec(), preferences.Wish(frequency=frequency, topics=topics))


async def a_reader(db, publication, name, *topics, frequency="daily", **values):
    choice = a_choice(*topics, frequency=frequency)
    return await cast.a_subscription(db, publication, f"{name}@example.org", choice=choice, **values)


async def some_readers(db, publication, count):
    return [await a_reader(db, publication, f"reader{number}") for number in range(count)]


async def fill_all(db, filler=None, now=NEXT_DAY):
    filler, rounds, settled = filler or a_filler(), 1, 0
    while True:
        filled = await fill.run(db, filler, now)
        settled += filled.settled
        if not filled.more:
            return rounds, settled
        rounds += 1


async def queued(db):
    rows = await table.rows(db, Delivery)
    assert {row.state for row in rows} <= {DeliveryState.QUEUED}
    return [row.subscription_id for row in rows]


async def test_readers_with_something_are_queued_those_without_are_settled(db, publication):
    anna = await a_reader(db, publication, "anna")
    hanna = await a_reader(db, publication, "hanna", "heart")
    lung = await a_reader(db, publication, "lung", "lungs")
    done = await a_reader(db, publication, "done", covered_to=3)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    assert await fill_all(db) == (1, 2)
    assert await queued(db) == [anna, hanna]
    covered = {row.id: row.covered_to for row in await table.rows(db, Subscription)}
    assert covered == {anna: 0, hanna: 0, lung: 3, done: 3}
    edition = await table.row(db, Edition)
    assert (edition.state, edition.settled) == (EditionState.FILLED, 2)
    delivery = (await table.rows(db, Delivery))[0]
    assert (delivery.upto, delivery.covered_from, delivery.selection_id) == (None, None, None)  # the hand-over's to say


async def test_covered_to_only_rises(db, publication):
    reader = await a_reader(db, publication, "ahead", covered_to=9)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    await fill_all(db)
    assert (await cast.subscription(db, reader)).covered_to == 9


@pytest.mark.parametrize(
    "values",
    [
        {"state": SubscriptionState.UNSUBSCRIBED},
        {"state": SubscriptionState.PENDING},
        {"state": SubscriptionState.FAILING},
        {"paused_until": NEXT_DAY + timedelta(seconds=1)},
        {"last_date": date(2026, 11, 3)},  # the slot's own date
        {"last_date": date(2026, 11, 4)},  # a later one, in another zone
        {"frequency": "weekly"},
    ],
)
async def test_who_does_not_want_it_is_neither_queued_nor_settled(db, publication, values):
    await a_reader(db, publication, "anna")
    other = await a_reader(db, publication, "other", **values)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    await table.change(db, Subscription, other, topic_set_id=None)
    await fill_all(db)
    assert other not in await queued(db)
    assert (await cast.subscription(db, other)).covered_to == 0


@pytest.mark.parametrize("values", [{"paused_until": NEXT_DAY}, {"last_date": date(2026, 11, 2)}])
async def test_a_pause_that_is_over_and_yesterdays_digest_are_no_reason(db, publication, values):
    reader = await a_reader(db, publication, "anna", **values)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    await fill_all(db)
    assert await queued(db) == [reader]


@pytest.mark.parametrize("state", [DeliveryState.SENDING, DeliveryState.DOUBTFUL])
async def test_a_reader_with_mail_in_flight_is_not_settled(db, publication, state):
    reader = await a_reader(db, publication, "lung", "lungs")
    values = {"publication_id": publication.id, "subscription_id": reader, "created_at": cast.NOW}
    await table.add(db, Delivery, **values, state=state)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    assert await fill_all(db) == (1, 0)
    assert (await cast.subscription(db, reader)).covered_to == 0


async def test_below_the_minimum_nothing_moves_until_the_longest_wait_is_over(db):
    publication = await cast.a_publication(db, min_items=4, max_wait_days=2)
    await cast.some_articles(db, publication.id, H, H, H)
    await table.change(db, cast.articles.Article, released_at=cast.NOW)
    reader = await a_reader(db, publication, "anna")
    nobody_waits = await a_reader(db, publication, "lung", "lungs")
    await plan.run(db, plan.Policy(), NEXT_DAY)
    assert await fill_all(db) == (1, 1)
    assert await queued(db) == []
    assert (await cast.subscription(db, reader)).covered_to == 0
    assert (await cast.subscription(db, nobody_waits)).covered_to == 3
    later = NEXT_DAY + timedelta(days=1)
    await plan.run(db, plan.Policy(), later)
    await fill_all(db, now=later)
    assert await queued(db) == [reader]


async def test_slices_resume_where_they_stopped_and_batches_are_dealt_in_order(db, publication):
    readers = await some_readers(db, publication, 7)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    # A process that dies after each slice: nothing but the row knows where it was.
    cursors = []
    while (await fill.run(db, a_filler(slice_size=3, batch_size=2), NEXT_DAY)).more:
        cursors.append((await table.row(db, Edition)).fill_cursor)
    assert cursors == [readers[2], readers[5]]
    assert await queued(db) == readers
    batches = await table.rows(db, Batch)
    assert [batch.ordinal for batch in batches] == [0, 1, 2, 3, 4]
    dealt = [[row.subscription_id for row in await table.rows(db, Delivery, batch_id=b.id)] for b in batches]
    assert dealt == [readers[0:2], readers[2:3], readers[3:5], readers[5:6], readers[6:7]]


async def test_many_fillers_at_once_queue_each_reader_once(db, db_url, publication):
    readers = await some_readers(db, publication, 12)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    nodes = [database.connect(db_url, pool_size=2) for _ in range(4)]

    async def work(node):
        await fill_all(node, a_filler(slice_size=2, batch_size=1))

    await asyncio.gather(*(work(node) for node in nodes))
    assert sorted(await queued(db)) == readers
    assert (await table.row(db, Edition)).state is EditionState.FILLED
    for node in nodes:
        await node.close()


async def test_readers_who_come_in_while_a_slice_is_counted_go_into_its_last_batch(db, publication, monkeypatch):
    readers = await some_readers(db, publication, 4)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    original = fill._groups

    async def before_the_last_three_came(*arguments):
        return {group: count - 3 for group, count in (await original(*arguments)).items()}

    monkeypatch.setattr(fill, "_groups", before_the_last_three_came)
    await fill_all(db, a_filler(batch_size=1))
    assert await queued(db) == readers
    assert len(await table.rows(db, Batch)) == 1


async def test_more_starting_points_than_a_statement_may_name_are_left_to_the_hand_over(db, publication, monkeypatch):
    monkeypatch.setattr(fill, "STARTS_AT_ONCE", 1)
    readers = [await a_reader(db, publication, f"r{start}", covered_to=start) for start in (3, 4, 5)]
    await plan.run(db, plan.Policy(), NEXT_DAY)
    assert await fill_all(db) == (1, 1)
    assert len(await queued(db)) == 2
    assert sorted(row.covered_to for row in await table.rows(db, Subscription)) == [3, 4, 5]
    assert len(readers) == 3


@pytest.mark.parametrize("state", [EditionState.HELD, EditionState.SKIPPED, EditionState.CANCELLED])
async def test_only_planned_editions_are_filled_and_the_others_move_nobody(db, publication, state):
    await a_reader(db, publication, "anna")
    await a_reader(db, publication, "lung", "lungs")
    await plan.run(db, plan.Policy(), NEXT_DAY)
    await table.change(db, Edition, state=state)
    assert await fill_all(db) == (1, 0)
    assert await queued(db) == []
    assert await table.column(db, Subscription.covered_to) == [0, 0]


class TestOvertaken:
    async def plan_two(self, db, publication, state):
        await a_reader(db, publication, "anna")
        await plan.run(db, plan.Policy(), NEXT_DAY)
        await plan.run(db, plan.Policy(), NEXT_DAY + timedelta(days=1))
        first, second = await table.rows(db, Edition)
        await table.change(db, Edition, second.id, state=state)
        await fill_all(db, now=NEXT_DAY + timedelta(days=1))
        return first.id, second.id

    @pytest.mark.parametrize("state", [EditionState.PLANNED, EditionState.FILLED, EditionState.FINISHED])
    async def test_an_edition_with_a_newer_one_behind_it_is_left_out(self, db, publication, state):
        first, _ = await self.plan_two(db, publication, state)
        assert first not in await table.column(db, Delivery.edition_id)
        row = await table.row(db, Edition, id=first)
        assert row.state is EditionState.FILLED
        assert "newer" in row.reason

    @pytest.mark.parametrize("state", [EditionState.HELD, EditionState.SKIPPED, EditionState.CANCELLED])
    async def test_a_newer_one_that_may_never_go_out_is_no_reason(self, db, publication, state):
        first, _ = await self.plan_two(db, publication, state)
        assert await table.column(db, Delivery.edition_id) == [first]


async def test_a_second_look_at_a_filled_edition_does_nothing(db, publication):
    await some_readers(db, publication, 2)
    await plan.run(db, plan.Policy(), NEXT_DAY)
    await fill_all(db)
    before = await cast.everything(db)
    await fill_all(db)
    assert await cast.everything(db) == before


async def test_the_schema_holds_one_delivery_per_reader_and_edition_and_one_in_flight(db, publication):
    reader = await a_reader(db, publication, "anna")
    values = {"publication_id": publication.id, "subscription_id": reader, "created_at": cast.NOW}
    await table.add(db, Delivery, **values, edition_id=1)
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await table.add(db, Delivery, **values, edition_id=1)
    await table.add(db, Delivery, **values, edition_id=2, state=DeliveryState.SENDING)
    for state in models.IN_FLIGHT:
        with pytest.raises(sqlalchemy.exc.IntegrityError):
            await table.add(db, Delivery, **values, edition_id=3, state=state)


async def test_send_now_does_not_heed_the_last_date(db, publication):
    reader = await a_reader(db, publication, "anna", last_date=date(2026, 11, 3))
    cadence = await table.row(db, audience.Cadence)
    async with db.transaction() as connection:
        await plan.send_now(connection, [cadence.id], NEXT_DAY)
    await fill_all(db)
    assert await queued(db) == [reader]
    assert (await table.row(db, Edition)).upto == (await table.row(db, Publication)).head
