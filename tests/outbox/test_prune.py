"""What is long over is forgotten, and nothing that anybody still needs."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import database
from digest.articles.models import Article
from digest.audience import preferences, undoing, unsubscribe
from digest.audience.models import Subscription, SubscriptionState
from digest.editions.models import Edition, EditionState, Selection
from digest.outbox import doubts, fill, prune, reading
from digest.outbox.models import Batch, BatchState, Delivery, DeliveryState, Pause
from tests.support import cast, table

pytestmark = pytest.mark.anyio
NOW, DAY = cast.NOW, timedelta(days=1)
KEEP, LONG_AGO = 90 * DAY, NOW - 91 * DAY
ANNA = "anna@example.org"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(prune, "PAUSE_SECONDS", 0)


@pytest.fixture
async def publication(db):
    publication = await cast.a_publication(db)
    async with db.transaction() as connection:
        for frequency in ("daily", "weekly"):
            choice = preferences.fulfil(cast.a_spec(), preferences.Wish(frequency=frequency))
            await preferences.cadence_id(connection, publication.id, choice, NOW)
    return publication


async def an_edition(db, slot, *, mails=0, **values):
    """One of the first Cadence that ended long ago, with finished Deliveries and a done Batch."""
    usual = {"publication_id": 1, "cadence_id": 1, "slot": slot, "due_at": LONG_AGO, "upto": 5, "planned_at": LONG_AGO}
    usual |= {"state": EditionState.FINISHED, "finished_at": LONG_AGO}
    id_ = await table.add(db, Edition, **(usual | values))
    await table.add(db, Batch, edition_id=id_, state=BatchState.DONE)
    for reader in range(mails):
        await a_delivery(db, id_, subscription_id=reader)
    return id_


async def a_delivery(db, edition_id, **values):
    usual = {"publication_id": 1, "edition_id": edition_id, "subscription_id": 1, "created_at": LONG_AGO}
    return await table.add(db, Delivery, **(usual | {"state": "sent", "finished_at": LONG_AGO} | values))


async def run(db, keep=KEEP):
    pruned = await prune.run(db, keep, NOW)
    return pruned.deliveries, pruned.batches, pruned.editions, pruned.selections


async def left(db, model):
    return [row.id for row in await table.rows(db, model)]


async def test_an_old_edition_goes_with_all_that_was_of_it_and_the_newest_stays(db, publication):
    await an_edition(db, "2026-08-01", mails=3)
    newest = await an_edition(db, "2026-08-02", mails=2)
    assert await run(db) == (5, 1, 1, 0)  # the last Batch stays: SQLite would give its id away again
    assert await left(db, Edition) == [newest]
    assert await run(db) == (0, 0, 0, 0)


async def test_what_ended_since_is_kept(db, publication):
    old = await an_edition(db, "2026-08-01", mails=1, finished_at=NOW - 89 * DAY)
    new = await an_edition(db, "2026-11-01", mails=1, finished_at=NOW)
    assert await run(db) == (0, 0, 0, 0)
    assert await left(db, Edition) == [old, new]


async def test_for_ever_is_for_ever(db, publication):
    await an_edition(db, "2026-08-01", mails=3)
    assert await run(db, keep=None) == (0, 0, 0, 0)


@pytest.mark.parametrize("state", ["queued", "sending", "deferred", "doubtful"])
async def test_what_is_open_keeps_its_edition_however_old(db, publication, state):
    old = await an_edition(db, "2026-08-01", mails=2)
    open_ = await a_delivery(db, old, subscription_id=9, state=state, finished_at=None)
    newest = await an_edition(db, "2026-08-02")
    assert (await run(db))[0] == 2
    assert (await left(db, Delivery), await left(db, Edition)) == ([open_], [old, newest])


async def test_an_old_one_still_knows_that_it_is_overtaken(db, publication):
    """By the newest that lives: cancelled and skipped ones after it bring nothing."""
    await an_edition(db, "2026-08-01", mails=1)
    old = await an_edition(db, "2026-08-02")
    await a_delivery(db, old, state="doubtful", finished_at=None)
    await an_edition(db, "2026-08-03", mails=1)
    newest = await an_edition(db, "2026-08-04", mails=1)
    after = [await an_edition(db, f"2026-08-0{5 + n}", state=s) for n, s in enumerate(("cancelled", "skipped"))]
    await run(db)
    assert await left(db, Edition) == [old, newest, *after]
    async with db.reading() as connection:
        assert await fill.is_overtaken(connection, await table.row(db, Edition, id=old))


async def test_every_cadence_keeps_its_newest(db, publication):
    daily = [await an_edition(db, f"2026-08-0{day}", mails=1) for day in (1, 2)]
    weekly = [await an_edition(db, f"2026-07-0{day}", mails=1, cadence_id=2) for day in (1, 8)]
    await run(db)
    assert await left(db, Edition) == [daily[1], weekly[1]]


async def test_slices_leave_nothing_behind(db, publication, monkeypatch):
    monkeypatch.setattr(prune, "SLICE", 2)
    monkeypatch.setattr(prune, "EDITIONS_AT_ONCE", 1)
    for day in range(1, 4):
        await an_edition(db, f"2026-08-0{day}", mails=5)
    await an_edition(db, "2026-11-01", finished_at=NOW)
    assert await run(db) == (15, 3, 3, 0)


async def test_notices_go_by_their_own_age_and_their_batches_at_once(db, publication):
    for finished_at in (LONG_AGO, NOW):
        batch = await table.add(db, Batch, priority=0, state=BatchState.DONE)
        await a_delivery(db, None, kind="welcome", batch_id=batch, finished_at=finished_at)
    await a_delivery(db, None, kind="confirm", state="deferred", finished_at=None, batch_id=None)
    await table.add(db, Batch, priority=0)
    assert await run(db) == (1, 2, 0, 0)
    assert len(await left(db, Delivery)) == 2


async def test_a_selection_outlives_its_deliveries_unless_something_in_flight_names_it(db, publication):
    edition = await an_edition(db, "2026-08-01", mails=1)
    values = {"publication_id": 1, "picks": {}}
    ids = [
        await table.add(db, Selection, **values, fingerprint=str(number), used_at=NOW - number * DAY)
        for number in (119, 121, 122)
    ]
    await a_delivery(db, edition, subscription_id=9, state="doubtful", finished_at=None, selection_id=ids[2])
    assert (await run(db))[3] == 1
    assert await left(db, Selection) == [ids[0], ids[2]]


async def test_a_pause_nobody_has_mail_for_goes_even_where_all_is_kept(db, publication):
    usual = {"relay": "relay", "since": LONG_AGO, "level": 1, "reason": "421"}
    async with db.transaction() as connection:
        for destination, until in (("old.example", LONG_AGO), ("new.example", NOW + DAY)):
            await connection.execute(sa.insert(Pause).values(**usual, destination=destination, until=until))
    await run(db, keep=None)
    async with db.reading() as connection:
        assert (await connection.execute(sa.select(Pause.destination))).scalars().all() == ["new.example"]


async def test_many_nodes_forget_each_row_once(db, db_url, publication, monkeypatch):
    monkeypatch.setattr(prune, "SLICE", 3)
    for day in range(1, 5):
        await an_edition(db, f"2026-08-0{day}", mails=5)
    await an_edition(db, "2026-11-01", finished_at=NOW)
    nodes = [database.connect(db_url, pool_size=2) for _ in range(3)]
    counts = await asyncio.gather(*(run(node) for node in nodes))
    assert sum(count[0] for count in counts) == 20
    await run(db)
    assert (await left(db, Delivery), len(await left(db, Edition))) == ([], 1)
    for node in nodes:
        await node.close()


class TestLifeGoesOn:
    """A small installation that forgets everything at once."""

    async def forget(self, world):
        await world.run(after=timedelta(minutes=1))
        pruned = await prune.run(world.parts.db, timedelta(0), world.now + timedelta(seconds=1))
        assert await table.rows(world.parts.db, Delivery, state="sent") == []
        return pruned

    async def a_mail(self, world, name):
        await world.publish(name)
        await world.run(after=DAY)
        return world.parts.signer.read_mail_token(world.mails[-1].token)

    async def test_a_link_of_a_mail_that_is_forgotten_still_unsubscribes(self, world):
        await world.subscribe(ANNA)
        token = await self.a_mail(world, "one")
        await self.a_mail(world, "two")
        assert (await self.forget(world)).editions == 1
        parts = world.parts
        html = await reading.html(parts.db, parts.desk.shelves, parts.writer, parts.signer, token)
        assert html is None  # the page says 410 then
        async with parts.db.transaction() as connection:
            answer = await unsubscribe.leave(connection, token, door=unsubscribe.trail.Door.ONE_CLICK, now=world.now)
        assert answer is unsubscribe.Leaving.LEFT
        assert (await world.subscription(ANNA)).state is SubscriptionState.UNSUBSCRIBED
        async with parts.db.transaction() as connection:
            await undoing.undo(
                connection, token.subscription_id, door=unsubscribe.trail.Door.PAGE, now=world.now + timedelta(hours=23)
            )
        assert (await world.subscription(ANNA)).state is SubscriptionState.ACTIVE

    async def test_readers_go_on_where_they_were_and_ids_never_come_back(self, world):
        await world.subscribe(ANNA)
        tokens = []
        for name in ("one", "two", "three"):
            tokens.append(await self.a_mail(world, name))
            await self.forget(world)
        assert world.told(ANNA) == [("one",), ("two",), ("three",)]
        assert len({token.delivery_id for token in tokens}) == 3
        assert len(await table.rows(world.parts.db, Article)) == 3
        assert (await table.row(world.parts.db, Subscription)).covered_to == 3

    async def test_doubt_is_kept_and_can_still_be_sent_again_as_it_was(self, world):
        await world.subscribe(ANNA)
        await self.a_mail(world, "one")
        row = await table.row(world.parts.db, Delivery)
        values = {"state": "doubtful", "finished_at": None, "retry_at": None, "batch_id": None, "doubts": 3}
        await table.change(world.parts.db, Delivery, row.id, **values)
        await prune.run(world.parts.db, timedelta(0), world.now + timedelta(days=100))
        async with world.parts.db.transaction() as connection:
            await doubts.resolve(connection, row.id, doubts.Verdict.RESEND, world.now)
        await world.run()
        assert world.told(ANNA) == [("one",), ("one",)]
        states = Counter(row.state for row in await table.rows(world.parts.db, Delivery))
        assert states == {DeliveryState.SENT: 1}
