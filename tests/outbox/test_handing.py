"""What is asked again at the hand-over, and what is frozen there."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest.articles import submit
from digest.articles.models import Article
from digest.audience import erase, models as audience, preferences, suppression, trail
from digest.editions.models import Edition, Selection
from digest.outbox import facts, handing, scene as scenes
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


async def decided(world):
    """What is to become of each Delivery of the Batch, with its mail composed."""
    batch = await table.row(world.parts.db, Batch)
    async with world.parts.db.reading() as connection:
        ids = await facts.waiting(connection, batch.id)
        scene = await scenes.look(connection, batch, "us")
        proposals = await handing.propose(connection, world.parts.desk, scene, ids, world.now)
    await handing.prepare(world.parts.desk, proposals)
    return proposals


async def hand_over(world, proposals):
    """Those of the proposals that are `sending` now, by address."""
    batch = await table.row(world.parts.db, Batch)
    async with world.parts.db.transaction() as connection:
        scene = await scenes.look(connection, batch, "us")
        found = await handing.confirm(connection, world.parts.hasher, scene, proposals)
        going = [(one, "relay:25") for one in proposals if one.id in found.confirmed]
        frozen = await handing.freeze(connection, scene, going, world.now)
    return [one.facts.row.email for one in proposals if one.id in frozen]


async def states(world, email):
    return [row.state.value for row in await world.deliveries(email)]


async def test_readers_who_are_alike_share_one_mail(world):
    await queue_for(world, ANNA, BERT)
    anna, bert = await decided(world)
    assert anna.ready is bert.ready
    assert await states(world, ANNA) == ["queued"]


async def test_the_hand_over_freezes_range_and_selection(world):
    await queue_for(world, ANNA)
    await table.change(world.parts.db, audience.Subscription, covered_to=0)
    proposals = await decided(world)
    [queued] = await world.deliveries(ANNA)
    assert (queued.covered_from, queued.upto, queued.tries) == (None, None, 0)
    assert await hand_over(world, proposals) == [ANNA]
    [row] = await world.deliveries(ANNA)
    assert (row.state, row.covered_from, row.upto, row.tries) == (DeliveryState.SENDING, 0, 1, 1)
    assert (row.first_tried_at, row.handed_over_at, row.relay) == (world.now, world.now, "relay:25")
    selection = await table.row(world.parts.db, Selection)
    assert row.selection_id == selection.id
    article = await table.row(world.parts.db, Article)
    assert selection.picks == {"full": [[article.id, "heart"]], "links": [], "more": []}


async def leaves(world):
    await world.leave(ANNA)


async def pauses(world):
    async with world.parts.db.transaction() as connection:
        until = world.now + timedelta(hours=1)
        row = await world.subscription(ANNA)
        await preferences.pause(connection, row, until, door=trail.Door.PAGE, now=world.now)


async def chooses_other_topics(world):
    await world.change(ANNA, topics=("lungs",))


async def is_suppressed(world):
    why = {"reason": audience.SuppressionReason.COMPLAINED, "now": world.now}
    async with world.parts.db.transaction() as connection:
        await suppression.add(connection, world.parts.hasher, ANNA, **why)


async def is_erased(world):
    async with world.parts.db.transaction() as connection:
        await erase.erase(connection, world.parts.hasher, ANNA, now=world.now)


async def is_spelled_otherwise(world):
    await table.change(world.parts.db, audience.Subscriber, email="Anna@example.org")


async def had_another_mail(world):
    await table.change(world.parts.db, audience.Subscription, covered_to=1)


async def is_handed_over_elsewhere(world):
    await table.change(world.parts.db, Delivery, state="sending", tries=1)


async def is_corrected(world):
    await table.change(world.parts.db, Publication, revision=world.publication.revision + 5)


@pytest.mark.parametrize(
    "happens",
    [
        *(leaves, pauses, chooses_other_topics, is_suppressed, is_erased, is_spelled_otherwise),
        *(had_another_mail, is_handed_over_elsewhere, is_corrected),
    ],
)
async def test_nothing_is_handed_over_that_changed_since_it_was_decided(world, happens):
    await queue_for(world, ANNA)
    proposals = await decided(world)
    await happens(world)
    assert await hand_over(world, proposals) == []


async def test_two_mails_to_one_reader_do_not_go_together(world):
    await queue_for(world, ANNA)
    first = await table.row(world.parts.db, Delivery)
    same = {"subscription_id": first.subscription_id, "batch_id": first.batch_id, "publication_id": 1, "edition_id": 99}
    await table.add(world.parts.db, Delivery, state=DeliveryState.QUEUED, created_at=world.now, **same)
    proposals = await decided(world)
    assert len(proposals) == 2
    assert await hand_over(world, proposals) == [ANNA]
    assert (await table.row(world.parts.db, Delivery, id=first.id)).state is DeliveryState.SENDING


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
    proposals = await decided(world)
    anna = await world.subscription(ANNA)
    async with world.parts.db.transaction() as unsubscribing:
        lock = sa.select(audience.Subscription).where(audience.Subscription.id == anna.id).with_for_update()
        await unsubscribing.execute(lock)
        assert await hand_over(world, proposals) == [BERT]
    assert await hand_over(world, proposals) == [ANNA]
