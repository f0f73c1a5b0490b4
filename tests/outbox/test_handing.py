"""What is asked again at the hand-over, and what is frozen there."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.articles import submit
from digest.articles.models import Article
from digest.audience import erase, models as audience, preferences, suppression, trail
from digest.editions.models import Edition, Selection
from digest.outbox import handing
from digest.outbox.models import Batch, Delivery, DeliveryState
from digest.publications import Publication
from tests.support import table

pytestmark = pytest.mark.anyio

ANNA, BERT = "anna@example.org", "bert@example.org"
DAY = timedelta(days=1)


async def queue_for(world, *emails, topics=()):
    for email in emails:
        await world.subscribe(email, "daily", topics=topics)
    await world.publish("one", "heart")
    await world.queue(after=DAY)


async def hand_over(world, free=4):
    batch = await table.row(world.parts.db, Batch)
    async with world.parts.db.transaction() as connection:
        return await handing.hand_over(connection, world.parts.desk, batch, free, world.now)


async def states(world, email):
    return [row.state.value for row in await world.deliveries(email)]


async def test_what_is_not_written_yet_is_wanted_first_and_handed_over_then(world):
    await queue_for(world, ANNA, BERT)
    first = await hand_over(world)
    assert (len(first.wanted), first.handed) == (1, [])  # one variant serves both
    assert await states(world, ANNA) == ["queued"]
    await world.parts.writer.prepare(first.wanted)
    second = await hand_over(world, free=1)
    assert [one.row.email for one in second.handed] == [ANNA]
    assert [one.row.email for one in (await hand_over(world)).handed] == [BERT]


async def test_the_hand_over_freezes_range_and_selection(world):
    await queue_for(world, ANNA)
    await table.change(world.parts.db, audience.Subscription, covered_to=0)
    await world.parts.writer.prepare((await hand_over(world)).wanted)
    [queued] = await world.deliveries(ANNA)
    assert (queued.covered_from, queued.upto, queued.tries) == (None, None, 0)
    await hand_over(world)
    [row] = await world.deliveries(ANNA)
    assert (row.state, row.covered_from, row.upto, row.tries) == (DeliveryState.SENDING, 0, 1, 1)
    assert (row.first_tried_at, row.handed_over_at) == (world.now, world.now)
    selection = await table.row(world.parts.db, Selection)
    assert row.selection_id == selection.id
    article = await table.row(world.parts.db, Article)
    assert selection.picks == {"full": [[article.id, "heart"]], "links": [], "more": []}


async def test_no_more_is_prepared_than_can_be_handed_over(world):
    for number in range(8):
        await world.subscribe(f"r{number}@example.org", "daily")
        await world.publish(f"a{number}")
        await world.release()
    await world.queue(after=DAY)
    rows = await table.rows(world.parts.db, audience.Subscription)
    for number, row in enumerate(rows):
        await table.change(world.parts.db, audience.Subscription, row.id, covered_to=number)
    assert len((await hand_over(world, free=2)).wanted) == 2
    await world.send()
    assert [len(world.told(f"r{number}@example.org")[0]) for number in range(8)] == list(range(8, 0, -1))


async def test_who_leaves_pauses_or_is_suppressed_after_fill_gets_nothing(world):
    await queue_for(world, *(f"{name}@example.org" for name in ("left", "paused", "suppressed", "changed", "stays")))
    await world.leave("left@example.org")
    paused, db = await world.subscription("paused@example.org"), world.parts.db
    async with db.transaction() as connection:
        until = world.now + timedelta(hours=1)
        await preferences.pause(connection, paused, until, door=trail.Door.PAGE, now=world.now)
        why = {"reason": audience.SuppressionReason.COMPLAINED, "now": world.now}
        await suppression.add(connection, world.parts.hasher, "suppressed@example.org", **why)
    await world.change("changed@example.org", frequency="weekly")
    assert await world.send() == {"withheld": 4, "sent": 1}
    assert [mail.to for mail in world.mails] == ["stays@example.org"]
    covered = {row.covered_to for row in await table.rows(db, audience.Subscription)}
    assert covered == {0, 1}
    await world.run(after=timedelta(days=8))
    assert world.told("paused@example.org") == world.told("changed@example.org") == [("one",)]


async def test_an_erased_readers_queued_mail_is_withheld(world):
    await queue_for(world, ANNA, BERT)
    async with world.parts.db.transaction() as connection:
        await erase.erase(connection, world.parts.hasher, ANNA, now=world.now)
    await world.send()
    assert [mail.to for mail in world.mails] == [BERT]
    rows = await table.rows(world.parts.db, Delivery)
    assert [(row.state.value, row.reason) for row in rows] == [("withheld", "erased"), ("sent", None)]


async def test_what_is_retracted_after_fill_is_told_to_nobody(world):
    await queue_for(world, ANNA)
    await world.publish("two", "heart")
    await world.run(after=DAY)
    await world.publish("bad", "heart")
    await world.publish("good", "heart")
    await world.queue(after=DAY)
    await submit.retract(world.parts.db, world.publication, "bad", world.now)
    await world.send()
    assert world.told(ANNA)[-1] == ("good",)
    await world.publish("worse", "heart")
    await world.queue(after=DAY)
    await submit.retract(world.parts.db, world.publication, "worse", world.now)
    assert await world.send() == {"empty": 1}
    assert (await world.subscription(ANNA)).covered_to == 5


async def test_what_is_corrected_after_fill_is_told_as_corrected(world):
    await queue_for(world, ANNA)
    await table.change(world.parts.db, Article, title="The corrected title", version=2)
    await table.change(world.parts.db, Publication, revision=1)
    await world.send()
    assert world.mails[0].subject.count("corrected title")


async def test_topics_count_as_held_at_the_hand_over(world):
    await world.subscribe("wider@example.org", "daily", topics=("heart",))
    await world.subscribe("other@example.org", "daily", topics=("heart",))
    await world.publish("lungs", "lungs")
    await world.publish("heart", "heart")
    await world.queue(after=DAY)
    await world.change("wider@example.org", topics=("heart", "lungs"))
    await world.change("other@example.org", topics=("sleep",))
    assert await world.send() == {"sent": 1, "empty": 1}
    assert set(world.told("wider@example.org")[0]) == {"heart", "lungs"}
    # What was settled while it was not wanted does not come back by wanting it again.
    await world.change("other@example.org", topics=("heart",))
    await world.publish("heart-2", "heart")
    await world.run(after=DAY)
    assert world.told("other@example.org") == [("heart-2",)]


async def test_a_cancelled_edition_rolls_and_its_articles_come_with_the_next(world):
    await queue_for(world, ANNA)
    await table.change(world.parts.db, Edition, state="cancelled")
    assert await world.send() == {"rolled": 1}
    assert (await world.subscription(ANNA)).covered_to == 0
    await world.run(after=DAY)
    assert world.told(ANNA) == [("one",)]


async def test_an_edition_overtaken_by_a_newer_one_rolls(world):
    await queue_for(world, ANNA)
    await world.publish("two")
    await world.queue(after=DAY)
    assert await world.send() == {"rolled": 1, "sent": 1}
    assert [set(names) for names in world.told(ANNA)] == [{"one", "two"}]


@pytest.mark.parametrize("db_url", ["postgres"], indirect=True)
async def test_a_reader_whom_somebody_else_holds_is_passed_over_and_comes_next(world):
    await queue_for(world, ANNA, BERT)
    await world.parts.writer.prepare((await hand_over(world)).wanted)
    anna = await world.subscription(ANNA)
    async with world.parts.db.transaction() as unsubscribing:
        lock = sa.select(audience.Subscription).where(audience.Subscription.id == anna.id).with_for_update()
        await unsubscribing.execute(lock)
        assert [one.row.email for one in (await hand_over(world)).handed] == [BERT]
    assert [one.row.email for one in (await hand_over(world)).handed] == [ANNA]
