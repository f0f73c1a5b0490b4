"""Retries are rows: sent round again when due, settled when held in doubt, and Editions closed behind them."""

import asyncio
from datetime import timedelta

import pytest

from digest import database
from digest.audience import preferences
from digest.audience.models import Subscription
from digest.editions.models import Edition, EditionState
from digest.outbox import retry
from digest.outbox.models import Batch, BatchState, Delivery, DeliveryState
from tests.support import cast, table

pytestmark = pytest.mark.anyio

NOW, MINUTE = cast.NOW, timedelta(minutes=1)
DEFERRED, DOUBTFUL = DeliveryState.DEFERRED, DeliveryState.DOUBTFUL


@pytest.fixture
async def publication(db):
    publication = await cast.a_publication(db)
    await a_cadence(db, publication, "daily")
    return publication


async def a_cadence(db, publication, frequency):
    choice = preferences.fulfil(cast.a_spec(), preferences.Wish(frequency=frequency))
    async with db.transaction() as connection:
        return await preferences.cadence_id(connection, publication.id, choice, NOW)


async def an_edition(db, publication, cadence_id=1, slot="2026-11-02", **values):
    usual = {"publication_id": publication.id, "cadence_id": cadence_id, "slot": slot, "due_at": NOW, "upto": 5}
    return await table.add(db, Edition, **(usual | {"planned_at": NOW, "state": EditionState.FILLED} | values))


async def a_delivery(db, publication, edition_id, state, subscription_id=1, **values):
    usual = {"publication_id": publication.id, "edition_id": edition_id, "subscription_id": subscription_id}
    usual |= {"state": state, "created_at": NOW, "retry_at": NOW, "upto": 5, "handed_over_at": NOW}
    return await table.add(db, Delivery, **(usual | values))


async def run(db, now=NOW, doubt="resend", batch_size=500):
    return await retry.run(db, batch_size=batch_size, doubt=doubt, now=now)


async def test_due_retries_go_into_a_batch_behind_fresh_mail(db, publication):
    reader = await cast.a_subscription(db, publication)
    edition = await an_edition(db, publication)
    deferred = await a_delivery(db, publication, edition, DEFERRED, reader)
    doubtful = await a_delivery(db, publication, edition, DOUBTFUL, reader + 1)
    later = await a_delivery(db, publication, edition, DEFERRED, reader + 2, retry_at=NOW + MINUTE)
    assert await run(db) == 2
    batch = await table.row(db, Batch)
    assert (batch.edition_id, batch.priority, batch.state) == (edition, retry.RETRY_PRIORITY, BatchState.QUEUED)
    states = {row.id: (row.state.value, row.batch_id) for row in await table.rows(db, Delivery)}
    assert states == {deferred: ("queued", batch.id), doubtful: ("doubtful", batch.id), later: ("deferred", None)}
    assert await run(db) == 0
    assert await run(db, NOW + MINUTE) == 1


async def test_all_that_is_due_is_sent_round_at_once_in_batches(db, publication):
    edition = await an_edition(db, publication)
    for number in range(7):
        await a_delivery(db, publication, edition, DEFERRED, number)
    assert await run(db, batch_size=3) == 7
    sizes = [len(await table.rows(db, Delivery, batch_id=batch.id)) for batch in await table.rows(db, Batch)]
    assert sizes == [3, 3, 1]


async def test_many_nodes_send_each_retry_round_once(db, db_url, publication):
    edition = await an_edition(db, publication)
    for number in range(9):
        await a_delivery(db, publication, edition, DEFERRED, number)
    nodes = [database.connect(db_url, pool_size=2) for _ in range(4)]
    assert sum(await asyncio.gather(*(run(node, batch_size=2) for node in nodes))) == 9
    for node in nodes:
        await node.close()


async def test_notices_keep_their_priority_when_tried_again(db, publication):
    await a_delivery(db, publication, None, DEFERRED, kind="confirm")
    await run(db)
    assert (await table.row(db, Batch)).priority == retry.NOTICE_PRIORITY


class TestHold:
    async def test_a_doubtful_digest_waits_and_counts_as_sent_once_the_next_is_planned(self, db, publication):
        reader = await cast.a_subscription(db, publication)
        cadence = (await table.row(db, Subscription)).cadence_id
        edition = await an_edition(db, publication, cadence)
        await a_delivery(db, publication, edition, DOUBTFUL, reader)
        await run(db, NOW + 60 * MINUTE, doubt="hold")
        assert (await table.row(db, Delivery)).state is DOUBTFUL
        await an_edition(db, publication, cadence, slot="2026-11-03")
        await run(db, NOW + 60 * MINUTE, doubt="hold")
        assert (await table.row(db, Delivery)).state is DeliveryState.SENT
        assert (await cast.subscription(db, reader)).covered_to == 5
        assert await table.rows(db, Batch) == []

    async def test_the_next_may_be_of_the_cadence_the_reader_has_changed_to(self, db, publication):
        reader = await cast.a_subscription(db, publication)
        old = (await table.row(db, Subscription)).cadence_id
        await a_delivery(db, publication, await an_edition(db, publication, old), DOUBTFUL, reader)
        new = await a_cadence(db, publication, "weekly")
        await table.change(db, Subscription, reader, cadence_id=new)
        await an_edition(db, publication, new, slot="2026-11-09")
        await run(db, doubt="hold")
        assert (await table.row(db, Delivery)).state is DeliveryState.SENT

    async def test_nobody_waits_for_the_next_digest_of_a_reader_who_was_erased(self, db, publication):
        cadence_of = await cast.a_subscription(db, publication)
        await a_delivery(db, publication, await an_edition(db, publication), DOUBTFUL, cadence_of + 1)
        await run(db, doubt="hold")
        assert (await table.row(db, Delivery)).state is DeliveryState.SENT
        assert (await table.row(db, Edition)).state is EditionState.FINISHED

    async def test_a_doubtful_notice_is_sent_again_all_the_same(self, db, publication):
        await a_delivery(db, publication, None, DOUBTFUL, kind="welcome")
        assert await run(db, doubt="hold") == 1


class TestFinish:
    @pytest.mark.parametrize("state", [DeliveryState.SENT, DeliveryState.ROLLED, DeliveryState.FAILED])
    async def test_an_edition_without_open_deliveries_is_finished(self, db, publication, state):
        edition = await an_edition(db, publication)
        await table.add(db, Batch, edition_id=edition, state=BatchState.DONE)
        await a_delivery(db, publication, edition, state)
        await run(db)
        assert (await table.row(db, Edition)).state is EditionState.FINISHED

    @pytest.mark.parametrize("state", [DEFERRED, DOUBTFUL])
    async def test_one_that_waits_for_a_retry_is_not(self, db, publication, state):
        edition = await an_edition(db, publication)
        await a_delivery(db, publication, edition, state, retry_at=NOW + MINUTE)
        await run(db)
        assert (await table.row(db, Edition)).state is EditionState.FILLED

    @pytest.mark.parametrize("state", [BatchState.QUEUED, BatchState.RUNNING])
    async def test_one_with_a_batch_under_way_is_not(self, db, publication, state):
        edition = await an_edition(db, publication)
        await table.add(db, Batch, edition_id=edition, state=state)
        await run(db)
        assert (await table.row(db, Edition)).state is EditionState.FILLED

    @pytest.mark.parametrize("state", [EditionState.PLANNED, EditionState.HELD, EditionState.CANCELLED])
    async def test_only_filled_ones_are_closed(self, db, publication, state):
        await an_edition(db, publication, state=state)
        await run(db)
        assert (await table.row(db, Edition)).state is state
