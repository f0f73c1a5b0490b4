"""Counts come from rows, whatever became of them, and the cheap looks say the same as the thorough one."""

from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.audience.models import Cadence
from digest.editions.models import Edition, EditionState
from digest.outbox import models, progress, tracking
from digest.outbox.models import Batch, BatchState, Delivery, DeliveryState as State
from tests.support import cast, table

pytestmark = pytest.mark.anyio

NOW = cast.NOW
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def cadence(db):
    publication = await cast.a_publication(db)
    values = {"frequency": "daily", "send_at": "06:00", "timezone": "UTC", "created_at": NOW}
    return await table.add(db, Cadence, publication_id=publication.id, **values)


async def an_edition(db, cadence, slot="1", **values):
    [publication_id] = await table.column(db, Cadence.publication_id, id=cadence)
    given = {"publication_id": publication_id, "cadence_id": cadence, "slot": slot, "due_at": NOW, "planned_at": NOW}
    return await table.add(db, Edition, **given | {"upto": 1, "state": EditionState.FILLED} | values)


_readers = iter(range(1, 1_000_000))


async def deliveries(db, edition, count, state, **values):
    """So many Deliveries; open ones are in a Batch of their own unless they wait for a retry."""
    if state in models.OPEN and "batch_id" not in values and state not in models.WAITING:
        values["batch_id"] = await a_batch(db, edition)
    given = {"publication_id": 1, "edition_id": edition, "state": state, "created_at": NOW}
    async with db.transaction() as connection:
        rows = [given | {"subscription_id": next(_readers)} | values for _ in range(count)]
        await connection.execute(sa.insert(Delivery), rows)


async def a_batch(db, edition, state=BatchState.QUEUED):
    return await table.add(db, Batch, edition_id=edition, state=state)


async def look(db, ask, *arguments):
    async with db.reading() as connection:
        return await ask(connection, *arguments)


async def of(db, edition, now=NOW):
    return (await look(db, progress.of_editions, [edition], now))[edition]


async def test_every_state_is_counted_and_readers_settled_at_once_are_empty(db, cadence):
    edition = await an_edition(db, cadence, settled=4)
    for count, state in enumerate(State, 1):
        await deliveries(db, edition, count, state)
    await deliveries(db, await an_edition(db, cadence, "other"), 5, State.SENT)
    found = await of(db, edition)
    expected = {state: count for count, state in enumerate(State, 1)}
    expected[State.EMPTY] += 4
    assert found.counts == expected
    assert found.total == sum(expected.values())
    assert found.done == found.total - 1 - 2 - 4 - 5  # queued, sending, deferred, doubtful
    assert list(expected)[:5] == [State.QUEUED, State.SENDING, State.SENT, State.DEFERRED, State.DOUBTFUL]


async def test_an_edition_without_mails_is_done(db, cadence):
    found = await of(db, await an_edition(db, cadence))
    assert (found.total, found.share, found.left, found.rate) == (0, 1.0, timedelta(0), 0.0)


async def test_the_rate_is_that_of_the_last_minute(db, cadence):
    edition = await an_edition(db, cadence)
    await deliveries(db, edition, 50, State.SENT, finished_at=NOW - HOUR)
    await deliveries(db, edition, 30, State.SENT, finished_at=NOW - 50 * SECOND)
    await deliveries(db, edition, 10, State.SENT, finished_at=NOW - 10 * SECOND)
    await deliveries(db, edition, 99, State.FAILED, finished_at=NOW - SECOND)
    await deliveries(db, edition, 80, State.QUEUED)
    found = await of(db, edition)
    assert found.rate == 40 / 50
    assert found.left == 100 * SECOND
    later = await of(db, edition, NOW + HOUR)
    assert (later.rate, later.left) == (0.0, None)


async def test_what_began_a_moment_ago_is_no_miracle(db, cadence):
    edition = await an_edition(db, cadence)
    await deliveries(db, edition, 30, State.SENT, finished_at=NOW)
    assert (await of(db, edition)).rate == 30.0


async def test_mails_that_wait_for_their_time_take_no_time(db, cadence):
    edition = await an_edition(db, cadence)
    await deliveries(db, edition, 30, State.SENT, finished_at=NOW)
    await deliveries(db, edition, 30, State.DEFERRED, retry_at=NOW + HOUR)
    assert (await of(db, edition)).left == timedelta(0)


async def test_the_cheap_counts_agree_with_the_rows(db, cadence):
    edition, other = await an_edition(db, cadence), await an_edition(db, cadence, "2")
    for one in (edition, other, None):
        for count, state in enumerate(State, 1):
            values = {"retry_at": NOW} if state in models.WAITING else {}
            await deliveries(db, one, count, state, **values)
    # A doubtful one that is to be repeated is in a Batch again.
    await deliveries(db, edition, 3, State.DOUBTFUL, retry_at=None, batch_id=await a_batch(db, edition))
    rows = await table.rows(db, Delivery)
    assert await look(db, progress.waiting) == {state: sum(row.state is state for row in rows) for state in models.OPEN}
    in_batches = Counter(row.edition_id for row in rows if row.batch_id and row.state in models.OPEN)
    assert await look(db, progress.in_batches) == in_batches
    assert await look(db, progress.totals, [edition, other, 77]) == {edition: 48, other: 45, 77: 0}


async def test_troubles_are_told_by_their_class(db, cadence):
    edition = await an_edition(db, cadence)
    for number in range(3):
        await deliveries(db, edition, 2, State.DEFERRED, reason=f"greylisted: 450 come back in {number}", retry_at=NOW)
    await deliveries(db, edition, 7, State.FAILED, reason="our domain's authentication or set-up: 550 5.7.1 x")
    await deliveries(db, edition, 1, State.WITHHELD, reason="erased")
    await deliveries(db, edition, 9, State.SENT)
    found = await look(db, progress.troubles, edition)
    assert list(found.items()) == [("our domain's authentication or set-up", 7), ("greylisted", 6), ("erased", 1)]


async def test_nothing_due_is_nothing_late(db, cadence):
    edition = await an_edition(db, cadence)
    await deliveries(db, edition, 1, State.SENT)
    await deliveries(db, edition, 1, State.DEFERRED, retry_at=NOW + HOUR)
    await a_batch(db, edition, BatchState.DONE)
    assert await look(db, progress.oldest_due, NOW) is None


async def test_an_edition_being_sent_a_notice_and_a_retry_are_late_since_they_were_due(db, cadence):
    edition = await an_edition(db, cadence, planned_at=NOW - MINUTE)
    await deliveries(db, edition, 1, State.QUEUED)
    assert await look(db, progress.oldest_due, NOW) == NOW - MINUTE
    await deliveries(db, None, 1, State.QUEUED, created_at=NOW - 2 * MINUTE)
    assert await look(db, progress.oldest_due, NOW) == NOW - 2 * MINUTE
    await deliveries(db, edition, 1, State.DEFERRED, retry_at=NOW - 3 * MINUTE)
    await deliveries(db, None, 1, State.DEFERRED, retry_at=NOW - 4 * MINUTE)
    assert await look(db, progress.oldest_due, NOW) == NOW - 4 * MINUTE


async def test_what_is_paused_or_in_doubt_for_the_operator_is_not_late(db, cadence):
    edition = await an_edition(db, cadence, planned_at=NOW - HOUR, paused_at=NOW)
    await deliveries(db, edition, 1, State.QUEUED)
    await deliveries(db, edition, 1, State.DEFERRED, retry_at=NOW - HOUR)
    await deliveries(db, await an_edition(db, cadence, "2"), 1, State.DOUBTFUL, retry_at=NOW - HOUR)
    assert await look(db, progress.oldest_due, NOW) is None


async def test_open_editions_and_free_batches_are_counted(db, cadence):
    await an_edition(db, cadence, "1", state=EditionState.PLANNED)
    await an_edition(db, cadence, "2", paused_at=NOW)
    await an_edition(db, cadence, "3", state=EditionState.FINISHED)
    counts = {"planned": 1, "filled": 0, "held": 0, "paused": 1}
    assert await look(db, progress.open_editions) == counts
    for state in BatchState:
        await a_batch(db, 1, state)
    assert await look(db, progress.due_batches) == 1


async def test_a_bar_moves_as_batches_empty_and_grows_as_editions_are_filled(db, cadence):
    before = await an_edition(db, cadence, "1")
    await deliveries(db, before, 5, State.SENT)
    await deliveries(db, before, 5, State.QUEUED)
    track = tracking.Track()
    assert await look(db, track.look) == (0, 5)
    growing = await an_edition(db, cadence, "2", state=EditionState.PLANNED)
    await deliveries(db, growing, 3, State.QUEUED)
    assert await look(db, track.look) == (0, 8)
    await deliveries(db, growing, 4, State.QUEUED)
    await table.change(db, Edition, growing, state=EditionState.FILLED)
    assert await look(db, track.look) == (0, 12)
    async with db.transaction() as connection:
        ours = sa.update(Delivery).where(Delivery.edition_id == growing)
        await connection.execute(ours.values(state=State.DEFERRED, batch_id=None, retry_at=NOW))
    assert await look(db, track.look) == (7, 12)
    await table.change(db, Edition, growing, state=EditionState.FINISHED)
    async with db.transaction() as connection:
        await connection.execute(sa.update(Delivery).where(Delivery.edition_id == before).values(state=State.SENT))
    assert await look(db, track.look) == (12, 12)


async def test_a_bar_without_work_stays_at_nothing(db, cadence):
    await deliveries(db, None, 3, State.QUEUED)
    assert await look(db, tracking.Track().look) == (0, 0)
