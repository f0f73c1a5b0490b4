"""Readers change frequency, topics and pauses, come and go, and publishers push: no Article is lost or repeated."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
import sqlalchemy as sa

from digest import addresses, links, publications
from digest.audience import models as audience, preferences, signup, trail
from digest.editions import held, plan, slots
from digest.editions.models import Edition
from digest.outbox.models import Delivery
from tests.support import smtpserver, table, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
ANNA, HOUR, DAY = "anna@example.org", timedelta(hours=1), timedelta(days=1)


def names(world: World) -> list[str]:
    """Every Article told to Anna, in the order it came."""
    return [name for told in world.told(ANNA) for name in told]


async def sign_up(world: World, *topics: str, frequency: str = "daily") -> None:
    """Ask and confirm, as on the pages."""
    spec = publications.load(world.publication.spec)
    choice = preferences.fulfil(spec, preferences.Wish(frequency, topics=topics))
    request = signup.Request(world.publication.id, addresses.parse(ANNA), choice)
    async with world.parts.db.transaction() as connection:
        id_ = await signup.ask(connection, world.parts.hasher, request, door=trail.Door.PAGE, now=world.now)
    generation = (await world.subscription(ANNA)).generation
    async with world.parts.db.transaction() as connection:
        token = links.ConfirmToken(id_, generation, world.now)
        await signup.confirm(connection, world.parts.hasher, token, now=world.now)


async def pause(world: World, days: int) -> None:
    row = await world.subscription(ANNA)
    async with world.parts.db.transaction() as connection:
        until = world.now + days * DAY
        await preferences.pause(connection, row, until, door=trail.Door.PAGE, now=world.now)


async def resume(world: World) -> None:
    row = await world.subscription(ANNA)
    async with world.parts.db.transaction() as connection:
        await preferences.resume(connection, row, door=trail.Door.PAGE, now=world.now)


async def test_changing_the_cadence_every_day_neither_repeats_nor_skips(world: World) -> None:
    await world.subscribe(ANNA, "daily", timezone="Pacific/Auckland", send_at="08:00")
    wishes = [
        {"timezone": "America/New_York"},
        {"send_at": "23:45"},
        {"frequency": "weekly", "weekday": 3},
        {"frequency": "daily", "timezone": "Asia/Kathmandu"},
        {"frequency": "instant"},
        {"frequency": "daily", "send_at": "00:00"},
    ]
    for day, wish in enumerate(wishes):
        await world.publish(f"morning-{day}")
        await world.run(after=9 * HOUR)
        # In the middle of the day: what was queued for the old choice is in nobody's way.
        await world.queue()
        await world.change(ANNA, **wish)
        await world.publish(f"evening-{day}")
        await world.run(after=15 * HOUR)
    await world.run(after=2 * DAY)
    published = [f"{part}-{day}" for day in range(len(wishes)) for part in ("morning", "evening")]
    assert sorted(names(world)) == sorted(published)
    await check_dates(world)


async def check_dates(world: World) -> None:
    """At most one scheduled digest per local date."""
    statement = sa.select(Edition.slot).join(Delivery, Delivery.edition_id == Edition.id)
    async with world.parts.db.reading() as connection:
        named = list(await connection.scalars(statement.where(Delivery.state == "sent")))
    dates = [slot for slot in named if slots.local_date(slot)]
    assert len(set(dates)) == len(dates)


async def test_a_pause_is_quiet_and_afterwards_everything_comes_at_once(world: World) -> None:
    await world.subscribe(ANNA, "daily")
    await pause(world, 3)
    for day in range(3):
        await world.publish(f"day-{day}")
        await world.run(after=DAY)
        # The third day comes with the end of the pause.
        assert (await world.subscription(ANNA)).covered_to == (3 if day == 2 else 0)
    assert len(world.told(ANNA)) == 1
    assert set(names(world)) == {"day-0", "day-1", "day-2"}
    await pause(world, 30)
    await world.publish("later")
    await world.run(after=DAY)
    await resume(world)
    await world.run(after=DAY)
    assert world.told(ANNA)[-1] == ("later",)


async def test_widening_brings_nothing_old_and_narrowing_drops_what_waits(world: World) -> None:
    await world.subscribe(ANNA, "daily", topics=("heart",))
    await world.publish("old-lungs", "lungs")
    await world.publish("heart", "heart")
    await world.run(after=DAY)
    await world.change(ANNA, topics=("heart", "lungs"))
    await world.publish("new-lungs", "lungs")
    await world.run(after=DAY)
    await world.publish("unwanted", "heart")
    await world.publish("wanted", "lungs")
    await world.release()
    await world.change(ANNA, topics=("lungs",))
    await world.run(after=DAY)
    assert world.told(ANNA) == [("heart",), ("new-lungs",), ("wanted",)]


async def test_a_first_digest_begins_with_the_newest_few_and_never_repeats_them(world: World) -> None:
    for number in range(5):
        await world.publish(f"heart-{number}", "heart", at=world.now + number * timedelta(minutes=1))
        await world.publish(f"lungs-{number}", "lungs", at=world.now + number * timedelta(minutes=1))
    await world.run(after=HOUR)
    await sign_up(world, "heart")
    await world.run(after=DAY)
    assert world.told(ANNA) == [("heart-4", "heart-3")]
    await world.publish("heart-5", "heart")
    await world.run(after=DAY)
    assert world.told(ANNA)[1:] == [("heart-5",)]


async def test_coming_back_repeats_nothing_and_brings_little_of_what_was_missed(world: World) -> None:
    await sign_up(world)
    await world.publish("before")
    await world.run(after=DAY)
    await world.leave(ANNA)
    for number in range(5):
        await world.publish(f"missed-{number}", at=world.now + number * timedelta(minutes=1))
    await world.run(after=DAY)
    await sign_up(world)
    await world.run(after=DAY)
    assert world.told(ANNA) == [("before",), ("missed-4", "missed-3")]
    await world.leave(ANNA)
    await sign_up(world)  # nothing new since: the greater of the two beginnings counts
    await world.run(after=DAY)
    assert len(world.told(ANNA)) == 2


async def test_instant_comes_at_most_every_half_hour_retries_included(world: World) -> None:
    await world.subscribe(ANNA, "instant")
    trouble = ("451 4.7.1 greylisted", smtpserver.DROP_AFTER_KEEPING, "450 4.2.1 busy", smtpserver.DROP)
    for number in range(24):
        await world.publish(f"a{number}")
        if number % 5 == 0:
            reply = trouble[number // 5 % 4]
            world.server.answer("rcpt" if reply[0] == "4" else "content", reply, address=ANNA, times=2)
        await world.run(after=timedelta(minutes=7))
    world.server.behave()
    for _ in range(4):
        await world.run(after=HOUR)
    firsts: dict[str, Any] = {}
    lasts: dict[str, Any] = {}
    for mail in world.mails:
        firsts.setdefault(mail.token, mail.at)
        lasts[mail.token] = mail.at
    for (_, last), (_, first) in pairwise(zip(lasts.values(), firsts.values(), strict=True)):
        assert first - last >= plan.INSTANT_PAUSE
    assert set(names(world)) == {f"a{number}" for number in range(24)}


async def test_send_now_takes_what_there_is_and_leaves_todays_digest_its_date(world: World) -> None:
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run()
    cadence = (await world.subscription(ANNA)).cadence_id
    async with world.parts.db.transaction() as connection:
        await plan.send_now(connection, [cadence], world.now)
    await world.run(after=timedelta(seconds=1))
    assert world.told(ANNA) == [("one",)]
    assert (await world.subscription(ANNA)).last_date is None
    await world.publish("two")
    await world.run(after=DAY)
    await world.publish("three")
    async with world.parts.db.transaction() as connection:
        await plan.send_now(connection, [cadence], world.now)
    await world.run()
    assert world.told(ANNA) == [("one",), ("two",)]  # planned before "three" was released
    await world.run(after=DAY)
    assert world.told(ANNA)[2:] == [("three",)]


async def test_a_held_flood_goes_out_when_the_operator_says_so(world: World) -> None:
    world.parts.__dict__["policy"] = plan.Policy(flood_readers=1)
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run()
    await world.run(after=2 * DAY + 8 * HOUR)
    assert world.told(ANNA) == []
    [edition] = await table.rows(world.parts.db, Edition)
    assert edition.state.value == "held"
    async with world.parts.db.transaction() as connection:
        await held.release(connection, edition.id, world.now)
    await world.run()
    assert world.told(ANNA) == [("one",)]


async def test_a_held_edition_does_not_keep_the_next_from_bringing_its_articles(world: World) -> None:
    world.parts.__dict__["policy"] = plan.Policy(flood_readers=1)
    await world.subscribe(ANNA, "daily")
    await world.publish("one")
    await world.run()
    await world.run(after=2 * DAY + 8 * HOUR)
    await world.publish("two")
    await world.run(after=17 * HOUR)
    assert [set(told) for told in world.told(ANNA)] == [{"one", "two"}]
    [first, _] = await table.rows(world.parts.db, Edition)
    async with world.parts.db.transaction() as connection:
        await held.release(connection, first.id, world.now)
    await world.run()
    assert len(world.told(ANNA)) == 1


async def test_below_the_minimum_readers_wait_and_then_get_what_there_is(db_url, tmp_path, now) -> None:
    async with worlds.a_world(db_url, tmp_path, now, min_items=3, max_wait_days=4) as world:
        await world.subscribe(ANNA, "daily")
        for day in range(3):
            await world.publish(f"a{day}")
            await world.run(after=DAY)
        assert [set(told) for told in world.told(ANNA)] == [{"a0", "a1", "a2"}]
        await world.publish("rare")
        for _ in range(6):
            await world.run(after=DAY)
        assert world.told(ANNA)[1:] == [("rare",)]


async def test_on_hold_a_doubtful_digest_is_never_repeated_and_the_next_follows_it(db_url, tmp_path, now) -> None:
    async with worlds.a_world(db_url, tmp_path, now, smtp={"doubt": "hold"}) as world:
        await world.subscribe(ANNA, "daily")
        await world.publish("one")
        world.server.answer("content", smtpserver.DROP_AFTER_KEEPING, times=1)
        await world.run(after=DAY)
        await world.run(after=5 * HOUR)
        assert world.told(ANNA) == [("one",)]
        await world.publish("two")
        await world.run(after=DAY)
        await world.run(after=timedelta(minutes=2))
        assert world.told(ANNA) == [("one",), ("two",)]
        assert (await table.rows(world.parts.db, audience.Subscription))[0].covered_to == 2


async def test_the_end_of_a_doubtful_digest_leaves_no_room_for_another_of_that_date(world: World) -> None:
    """Its copy came, and was then refused when repeated; meanwhile the reader chose another time of that day."""
    await world.subscribe(ANNA, "daily", timezone="UTC", send_at="08:00")
    await world.publish("one")
    world.server.answer("content", smtpserver.DROP_AFTER_KEEPING, times=1)
    await world.run(after=2 * HOUR)
    await world.change(ANNA, send_at="20:00")
    world.server.answer("content", "554 5.6.0 no", times=1)
    await world.run(after=HOUR)
    await world.run(after=12 * HOUR)
    assert (await world.deliveries(ANNA))[0].state.value == "rolled"
    assert world.told(ANNA) == [("one",)]
    await world.run(after=DAY)
    assert world.told(ANNA) == [("one",), ("one",)]  # only doubt can repeat an Article
