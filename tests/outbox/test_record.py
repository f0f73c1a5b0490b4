"""What becomes of a Delivery and its reader after each reply."""

from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from digest.audience import suppression
from digest.audience.models import Suppression
from digest.outbox import ends, handover, outcomes, record
from digest.outbox.models import Batch, BatchState, Delivery, DeliveryState
from tests.support import cast, table

pytestmark = pytest.mark.anyio

NOW, TODAY = cast.NOW, cast.NOW.date()
LATER = NOW + timedelta(hours=1)
US = outcomes.Blame.US
SENT = outcomes.Sent()
AGAIN = outcomes.TryAt(LATER, US, "451 later")
REFUSED = outcomes.GiveUp("554 no", US, suppress=False)
GONE = outcomes.GiveUp("550 5.1.1 unknown", outcomes.Blame.ADDRESS, suppress=True)
LATE = outcomes.GiveUp("451 later", US, suppress=False, is_late=True)
DOUBT = outcomes.Doubt("no reply")


@pytest.fixture
async def reader(db):
    publication = await cast.a_publication(db)
    return await cast.a_subscription(db, publication, covered_to=2)


async def a_delivery(db, reader, **values):
    usual = {"publication_id": 1, "edition_id": 1, "subscription_id": reader, "created_at": NOW, "batch_id": 7}
    usual |= {"state": DeliveryState.SENDING, "tries": 1, "covered_from": 2, "upto": 5, "selection_id": 3}
    usual |= {"handed_over_at": NOW}
    return await table.add(db, Delivery, **(usual | values))


def settled(id_, reader, outcome, **changes):
    values = {
        "delivery_id": id_,
        "tries": 1,
        "subscription_id": reader,
        "address_key": "anna@example.org",
        "upto": 5,
        "local_date": TODAY,
        "is_instant": False,
        "handed_over_at": NOW,
        "was_doubtful": False,
        "doubts": 0,
        "outcome": outcome,
        "code": 250 if outcome is SENT else 451,
    }
    return record.Settled(**(values | changes))


async def note(db, *some):
    async with db.transaction() as connection:
        await record.results(connection, some, cast.HASHER, NOW)


@pytest.mark.parametrize(
    ("outcome", "was_doubtful", "upto", "state"),
    [
        (SENT, False, 5, "sent"),
        (SENT, True, 5, "sent"),
        (SENT, False, None, "sent"),  # a notice
        (AGAIN, False, 5, "deferred"),
        (AGAIN, True, 5, "doubtful"),
        (REFUSED, False, 5, "failed"),
        (REFUSED, True, 5, "rolled"),
        (REFUSED, True, None, "failed"),  # a notice has nothing to roll on
        (GONE, False, 5, "failed"),
        (LATE, False, 5, "rolled"),
        (LATE, False, None, "failed"),
        (DOUBT, False, 5, "doubtful"),
        (DOUBT, True, 5, "doubtful"),
    ],
)
async def test_each_reply_leads_to_one_state_and_only_acceptance_moves_the_reader(
    db, reader, outcome, was_doubtful, upto, state
):
    id_ = await a_delivery(db, reader, upto=upto)
    one = settled(id_, reader, outcome, was_doubtful=was_doubtful, upto=upto)
    await note(db, one)
    row = await table.row(db, Delivery)
    assert row.state.value == state == record.state_of(one).value
    covered = 5 if state == "sent" and upto else 2
    assert (await cast.subscription(db, reader)).covered_to == covered
    waits = state in ("deferred", "doubtful")
    assert (row.retry_at is not None, row.finished_at is None, row.batch_id is None) == (waits, waits, waits)


async def test_covered_to_and_last_date_only_rise(db, reader):
    later = TODAY + timedelta(days=1)
    async with db.transaction() as connection:
        await record.cover(connection, [settled(1, reader, SENT, upto=9, local_date=later)])
        await record.cover(connection, [settled(2, reader, SENT, upto=5, local_date=TODAY)])
    row = await cast.subscription(db, reader)
    assert (row.covered_to, row.last_date) == (9, later)


async def test_instant_notes_its_moment_and_no_date_and_send_now_neither(db, reader):
    async with db.transaction() as connection:
        await record.cover(connection, [settled(1, reader, SENT, local_date=None)])
    assert (await cast.subscription(db, reader)).last_instant_at is None
    async with db.transaction() as connection:
        await record.cover(connection, [settled(2, reader, SENT, local_date=None, is_instant=True)])
    row = await cast.subscription(db, reader)
    assert (row.last_instant_at, row.last_date, row.covered_to) == (NOW, None, 5)


async def test_a_deferred_mail_keeps_no_range_and_a_doubtful_one_does(db, reader):
    first = await a_delivery(db, reader)
    await note(db, settled(first, reader, AGAIN))
    row = await table.row(db, Delivery)
    assert (row.covered_from, row.upto, row.selection_id, row.retry_at) == (None, None, None, LATER)
    await table.change(db, Delivery, first, state="sending", upto=5, covered_from=2, selection_id=3)
    await note(db, settled(first, reader, AGAIN, was_doubtful=True))
    row = await table.row(db, Delivery)
    assert (row.covered_from, row.upto, row.selection_id) == (2, 5, 3)


async def test_doubt_waits_longer_each_time_and_the_third_is_held(db, reader):
    pauses = []
    for doubts in range(3):
        id_ = await a_delivery(db, reader, edition_id=doubts)
        await note(db, settled(id_, reader, DOUBT, doubts=doubts, doubt_pause=timedelta(seconds=5)))
        row = await table.row(db, Delivery, id=id_)
        assert (row.state.value, row.doubts) == ("doubtful", doubts + 1)
        pauses.append(row.retry_at and (row.retry_at - NOW).total_seconds())
        await table.change(db, Delivery, id_, state="rolled")
    assert pauses == [5, 20, None]
    assert row.reason == f"{record.OUT_OF_TRIES}: no reply"


async def test_a_notice_out_of_tries_is_not_held_for_it_would_hold_up_the_digests(db, reader):
    id_ = await a_delivery(db, reader, edition_id=None, kind="welcome", upto=None)
    await note(db, settled(id_, reader, DOUBT, doubts=2, upto=None))
    assert (await table.row(db, Delivery)).state is DeliveryState.FAILED


SOON = NOW + record.GRACE


@pytest.mark.parametrize(
    ("doubts", "edition_id", "retry_at"), [(0, 1, SOON), (1, 1, SOON), (2, 1, None), (2, None, SOON)]
)
async def test_what_a_vanished_worker_leaves_counts_as_doubt_like_any_other(db, reader, doubts, edition_id, retry_at):
    await a_delivery(db, reader, doubts=doubts, edition_id=edition_id)
    async with db.transaction() as connection:
        assert await ends.vanished(connection, 7, NOW) == 1
    row = await table.row(db, Delivery)
    assert (row.state.value, row.doubts, row.retry_at, row.batch_id) == ("doubtful", doubts + 1, retry_at, None)
    assert row.reason.startswith(record.OUT_OF_TRIES) == (retry_at is None)


@pytest.mark.parametrize(
    "elsewhere",
    [
        {"state": "doubtful"},  # taken over, not sent again yet
        {"state": "sending", "tries": 2},  # being sent again
        {"state": "sent"},
        {"state": "rolled"},
    ],
)
async def test_a_late_refusal_does_not_write_over_what_another_worker_has_in_hand(db, reader, elsewhere):
    id_ = await a_delivery(db, reader, **elsewhere)
    before = await table.row(db, Delivery)
    for outcome in (AGAIN, REFUSED, LATE, DOUBT):
        await note(db, settled(id_, reader, outcome))
        assert await table.row(db, Delivery) == before


async def test_a_refusal_before_the_hand_over_is_a_try_like_any_other(db, reader):
    id_ = await a_delivery(db, reader, state="queued", tries=0, covered_from=None, upto=None, selection_id=None)
    await note(db, settled(id_, reader, AGAIN, was_handed_over=False, relay="mx:25"))
    row = await table.row(db, Delivery)
    assert (row.state.value, row.tries, row.relay, row.first_tried_at) == ("deferred", 1, "mx:25", NOW)


@pytest.mark.parametrize("elsewhere", [{"state": "sending"}, {"state": "queued", "tries": 1}, {"state": "withheld"}])
async def test_a_refusal_before_the_hand_over_counts_only_while_nobody_else_tries(db, reader, elsewhere):
    id_ = await a_delivery(db, reader, **({"tries": 0} | elsewhere))
    before = await table.row(db, Delivery)
    await note(db, settled(id_, reader, AGAIN, was_handed_over=False))
    assert await table.row(db, Delivery) == before


@pytest.mark.parametrize(("was_doubtful", "state"), [(False, "queued"), (True, "doubtful")])
async def test_a_hand_over_whose_content_did_not_leave_is_undone(db, reader, was_doubtful, state):
    id_ = await a_delivery(db, reader)
    async with db.transaction() as connection:
        await record.give_back(connection, [(id_, 2, was_doubtful)])  # another try: not ours to undo
        assert (await table.row(db, Delivery)).state.value == "sending"
        await record.give_back(connection, [(id_, 1, was_doubtful)])
    row = await table.row(db, Delivery)
    assert (row.state.value, row.tries) == (state, 0)


@pytest.mark.parametrize("elsewhere", [{"state": "doubtful"}, {"state": "sending", "tries": 2}, {"state": "rolled"}])
async def test_an_acceptance_counts_whoever_holds_the_batch_by_now(db, reader, elsewhere):
    id_ = await a_delivery(db, reader, **elsewhere)
    await note(db, settled(id_, reader, SENT))
    assert (await table.row(db, Delivery)).state is DeliveryState.SENT
    assert (await cast.subscription(db, reader)).covered_to == 5


async def test_an_address_that_is_gone_is_suppressed_and_any_other_refusal_is_not(db, reader):
    id_ = await a_delivery(db, reader)
    await note(db, settled(id_, reader, REFUSED))
    assert await table.rows(db, Suppression) == []
    await table.change(db, Delivery, id_, state="sending")
    await note(db, settled(id_, reader, GONE))
    async with db.reading() as connection:
        assert await suppression.covers(connection, cast.HASHER, "anna@example.org")


async def test_the_end_of_a_doubtful_mail_counts_for_the_pace_but_settles_nothing(db, reader):
    """Its first copy may have come: no second scheduled digest for that date, no `instant` right after it."""
    id_ = await a_delivery(db, reader)
    await note(db, settled(id_, reader, REFUSED, was_doubtful=True, is_instant=True))
    row = await cast.subscription(db, reader)
    assert (row.covered_to, row.last_date, row.last_instant_at) == (2, TODAY, NOW)


async def test_many_results_are_written_together(db, reader):
    ids = [await a_delivery(db, reader, edition_id=n, state="rolled") for n in range(6)]
    some = [settled(id_, reader, SENT, upto=5 + n) for n, id_ in enumerate(ids)]
    await note(db, *reversed(some))
    assert set(await table.column(db, Delivery.state)) == {DeliveryState.SENT}
    assert (await cast.subscription(db, reader)).covered_to == 10


class TestStops:
    async def stop(self, db, verdict):
        row = await table.row(db, Delivery)
        async with db.transaction() as connection:
            await ends.stops(connection, [(row, verdict)], NOW)
        return await table.row(db, Delivery)

    @pytest.mark.parametrize("state", [DeliveryState.ROLLED, DeliveryState.WITHHELD, DeliveryState.EMPTY])
    async def test_an_end_is_final_and_has_a_reason(self, db, reader, state):
        await a_delivery(db, reader, state="queued")
        row = await self.stop(db, handover.Stop(state, "because"))
        assert (row.state, row.reason, row.finished_at) == (state, "because", NOW)

    async def test_waiting_uses_up_no_try(self, db, reader):
        await a_delivery(db, reader, state="queued", tries=0)
        row = await self.stop(db, handover.Wait(LATER, "not yet"))
        assert (row.state, row.retry_at, row.tries, row.batch_id) == (DeliveryState.DEFERRED, LATER, 0, None)

    async def test_a_doubtful_mail_that_waits_keeps_its_range(self, db, reader):
        await a_delivery(db, reader, state="doubtful")
        row = await self.stop(db, handover.Wait(LATER, "not yet"))
        assert (row.state, row.covered_from, row.upto) == (DeliveryState.DOUBTFUL, 2, 5)


async def test_what_a_vanished_worker_had_handed_over_is_in_doubt_and_nothing_else(db, reader):
    on_wire = await a_delivery(db, reader)
    others = [await a_delivery(db, reader, edition_id=n, state=s) for n, s in enumerate(("queued", "sent", "empty"), 2)]
    async with db.transaction() as connection:
        assert await ends.vanished(connection, 7, NOW) == 1
        assert await ends.vanished(connection, 7, NOW) == 0
    row = await table.row(db, Delivery, id=on_wire)
    assert (row.state, row.doubts, row.retry_at, row.batch_id) == (DeliveryState.DOUBTFUL, 1, NOW + record.GRACE, None)
    assert (row.covered_from, row.upto, row.selection_id) == (2, 5, 3)
    states = [(await table.row(db, Delivery, id=id_)).state.value for id_ in others]
    assert states == ["queued", "sent", "empty"]


async def test_a_held_doubt_assumed_sent_settles_its_range_and_date(db, reader):
    await a_delivery(db, reader, state="doubtful")
    async with db.transaction() as connection:
        row = (await connection.execute(sa.select(Delivery, *_facts("2026-11-02", "daily")))).one()
        await ends.assume_sent(connection, row, NOW)
    assert (await table.row(db, Delivery)).state is DeliveryState.SENT
    found = await cast.subscription(db, reader)
    assert (found.covered_to, found.last_date) == (5, date(2026, 11, 2))


def _facts(slot, frequency):
    return sa.literal(slot).label("slot"), sa.literal(frequency).label("frequency")


@pytest.mark.parametrize(("batch", "state"), [("done", "doubtful"), ("running", "sending"), ("queued", "sending")])
async def test_what_a_database_forgot_to_be_sent_is_in_doubt_once_its_batch_is_done(db, reader, batch, state):
    batch_id = await table.add(db, Batch, state=BatchState(batch))
    await a_delivery(db, reader, batch_id=batch_id)
    assert await ends.find_forgotten(db, NOW) == (state == "doubtful")
    assert (await table.row(db, Delivery)).state.value == state
