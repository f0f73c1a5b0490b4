"""What is told, of what, and to whom."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import addresses, links, publications
from digest.announcements import Announcement
from digest.audience import address_changes, erase, models, preferences, signup, standing, trail
from digest.web.api.doors import reader_shapes
from tests.support import cast, receiver

pytestmark = pytest.mark.anyio


async def ask(world, email="bea@example.org"):
    choice = preferences.fulfil(publications.load(world.publication.spec), preferences.Wish("weekly"))
    request = signup.Request(world.publication.id, addresses.parse(email), choice)
    async with world.parts.db.transaction() as connection:
        return await signup.ask(connection, world.parts.hasher, request, door=trail.Door.PAGE, now=world.now)


async def confirm(world, id_):
    async with world.parts.db.transaction() as connection:
        token = links.ConfirmToken(id_, 1, world.now)
        await signup.confirm(connection, world.parts.hasher, token, now=world.now)


async def test_a_reader_s_whole_way_is_told_in_order_and_signed(office):
    world = office.world
    reader = await ask(world)
    await confirm(world, reader)
    await world.change("bea@example.org", frequency="daily")
    await world.leave("bea@example.org")
    await office.tell()
    assert office.program.types == [
        "subscription.subscribed",
        "subscription.confirmed",
        "subscription.changed",
        "subscription.unsubscribed",
    ]
    for told in office.program.told:
        assert told.is_signed_by(office.secret)
        assert not told.is_signed_by("whsec_" + "A" * 43 + "=")
        assert told.content_type == "application/json"
        assert told.path == "/hook"
    last = office.program.told[-1].body
    assert last["timestamp"] == "2026-11-02T06:00:00Z"
    assert (last["data"]["publication"], last["data"]["what"], last["data"]["door"]) == ("mias-feed", "left", "page")
    subscriber = last["data"]["subscriber"]
    assert (subscriber["id"], subscriber["email"], subscriber["state"]) == (reader, "bea@example.org", "unsubscribed")
    assert (subscriber["frequency"], subscriber["left_at"]) == ("daily", "2026-11-02T06:00:00Z")
    assert set(subscriber) == set(reader_shapes.SubscriberListed.model_fields)


async def test_each_has_an_id_of_its_own_and_is_told_once(office):
    await confirm(office.world, await ask(office.world))
    await office.tell()
    await office.tell()
    ids = [told.id for told in office.program.told]
    assert len(ids) == len(set(ids)) == 2
    assert all(id_.startswith("msg_stamp") for id_ in ids)
    assert [row.body for row in await office.announcements()] == [None, None]


async def test_an_edition_is_told_when_it_is_sent_with_its_counts(office):
    world = office.world
    await world.subscribe("anna@example.org", "daily")
    await world.subscribe("ben@example.org", "daily")
    await world.publish("one")
    await world.run()
    async with asyncio.timeout(30):
        while "edition.sent" not in office.program.types:
            await world.run_until(world.now + timedelta(hours=6))
            await office.tell()
    [edition] = [told.body["data"] for told in office.program.told if told.type == "edition.sent"][:1]
    assert edition["publication"] == "mias-feed"
    assert edition["edition"]["frequency"] == "daily"
    assert edition["edition"]["deliveries"]["sent"] == 2
    assert edition["edition"]["finished_at"]


async def test_only_who_wants_an_event_of_a_publication_hears_of_it(office):
    world = office.world
    other = await cast.a_publication(world.parts.db, slug="other")
    with receiver.running() as picky, receiver.running() as elsewhere:
        await office.add(picky, "mias-feed", "subscription.confirmed")
        await office.add(elsewhere, "other")
        await confirm(world, await ask(world))
        await office.tell()
        assert (picky.types, elsewhere.types) == (["subscription.confirmed"], [])
        await cast.a_subscription(world.parts.db, other, "dora@example.org")
    assert len(office.program.types) == 2


async def test_nothing_is_announced_where_nobody_listens_or_of_what_was_rolled_back(db, now):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication)
    async with db.transaction() as connection:
        await trail.record(connection, [trail.Entry(reader, trail.What.LEFT, trail.Door.PAGE, now)])
    async with db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(Announcement)) == 0


async def test_a_change_that_is_rolled_back_is_told_to_nobody(office):
    reader = await ask(office.world)
    await office.tell()
    async with office.world.parts.db.engine.connect() as connection:
        token = links.ConfirmToken(reader, 1, office.world.now)
        await signup.confirm(connection, office.world.parts.hasher, token, now=office.world.now)
        await connection.rollback()
    await office.tell()
    assert office.program.types == ["subscription.subscribed"]


async def test_a_list_is_the_publishers_own_doing_and_not_told(office):
    await office.world.subscribe("anna@example.org", "daily")
    assert await office.announcements() == []


async def test_a_reader_who_is_erased_is_told_by_number_only_and_nothing_else_any_more(office):
    world = office.world
    reader = await ask(world)
    async with world.parts.db.transaction() as connection:
        await erase.erase(connection, world.parts.hasher, "bea@example.org", now=world.now)
    await office.tell()
    [told] = office.program.told
    assert told.type == "subscription.erased"
    assert told.body["data"] == {"publication": "mias-feed", "subscriber": {"id": reader}}
    assert b"bea" not in told.raw


async def test_a_reader_gone_by_other_ways_leaves_nothing_to_tell(office):
    world = office.world
    reader = await ask(world)
    async with world.parts.db.transaction() as connection:
        await connection.execute(sa.delete(models.Subscription).where(models.Subscription.id == reader))
    await office.tell()
    assert office.program.told == []
    [row] = await office.announcements()
    assert (row.is_told, row.trouble) == (False, "nothing is left to tell of")


async def test_an_address_that_does_not_exist_is_told_as_bounced(office):
    world = office.world
    await world.subscribe("anna@example.org", "daily")
    world.server.answer("rcpt", "550 5.1.1 no such user")
    await world.publish("one")
    await world.run_until(world.now + timedelta(days=1, hours=2))
    await office.tell()
    bounced = [told.body["data"] for told in office.program.told if told.type == "subscription.bounced"]
    assert [(one["what"], one["door"], one["subscriber"]["email"]) for one in bounced] == [
        ("refused", "sender", "anna@example.org")
    ]


async def test_another_address_that_does_not_exist_is_no_bounce_of_its_reader(office):
    world = office.world
    reader = await world.subscribe("anna@example.org", "daily")
    async with world.parts.db.transaction() as connection:
        found = await standing.find(connection, reader)
        new = addresses.parse("anna@example.net")
        await address_changes.ask(connection, world.parts.hasher, found.subscription, new, now=world.now)
    world.server.answer("rcpt", "550 5.1.1 no such user", address="anna@example.net")
    for _ in range(3):
        await world.run(after=timedelta(seconds=90))
    assert {mail.to for mail in world.mails} == {"anna@example.org"}
    assert "failed" in {row.state.value for row in await world.deliveries("anna@example.org")}
    await office.tell()
    assert office.program.types == []
