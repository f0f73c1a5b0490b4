"""From a mail to all settings: the link comes to the reader's own address, and what is saved there shapes the mail."""

import email
import email.policy
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

from digest.audience import suppression
from tests.support import doors, wirecheck, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
ANNA, NEW, DAY = "anna@example.org", "bea@example.net", timedelta(days=1)


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, engine=engine) as made:
        yield made


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with doors.of(world) as client:
        yield client


def text(mail: worlds.Mail) -> str:
    body = email.message_from_bytes(mail.content, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    return str(body.get_content())


def link(mail: worlds.Mail, name: str) -> str:
    """The path of this link in a mail, as its text has it."""
    found = re.search(rf"{re.escape(doors.SITE)}(/{name}/\S+)", text(mail))
    assert found, text(mail)
    return found[1]


async def fresh_link(world: World, browser: httpx.AsyncClient) -> str:
    """A digest comes, its reader asks for the link, and the link comes."""
    await world.publish("one", "heart")
    await world.run(after=DAY)
    await browser.post(link(world.mails[-1], "settings"), data={"page": "x"})
    await world.run()
    return link(world.mails[-1], "manage")


async def test_a_reader_asks_for_the_link_and_saves_a_choice_by_it(world: World, browser: httpx.AsyncClient) -> None:
    await world.subscribe(ANNA, "daily")
    manage = await fresh_link(world, browser)
    mail = world.mails[-1]
    assert (mail.to, mail.is_digest, wirecheck.faults(mail.content)) == (ANNA, False, [])
    wish = {"act": "topics", "publication": "mias-feed", "which": "some", "topic-sleep": "1"}
    assert (await browser.post(manage, data=wish)).status_code == 200
    await world.publish("two", "heart")
    await world.publish("three", "sleep")
    await world.run(after=DAY)
    assert world.told(ANNA) == [("one",), ("three",)]


async def ask_to_move(world: World, browser: httpx.AsyncClient, to: str = NEW) -> dict[str, worlds.Mail]:
    """The reader asks for another address; the mails that come of it, by whom they went to."""
    manage = await fresh_link(world, browser)
    seen = len(world.mails)
    answer = await browser.post(manage, data={"act": "address", "publication": "mias-feed", "email": to})
    assert answer.status_code == 200
    await world.run()
    # One mail at a time goes to a reader, so the second may have to wait for a minute.
    await world.run(after=timedelta(minutes=2))
    return {mail.to: mail for mail in world.mails[seen:]}


async def test_both_addresses_are_asked_by_mail_and_then_it_comes_to_the_new_one(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.subscribe(ANNA, "daily")
    mails = await ask_to_move(world, browser)
    assert set(mails) == {ANNA, NEW}
    assert [wirecheck.faults(mail.content) for mail in mails.values()] == [[], []]
    # Whoever typed a wrong address has told a stranger nothing, and given them nothing to act by.
    assert b"anna" not in mails[NEW].content.lower()
    assert not re.search(rb"/(unsubscribe|less|manage|settings|moving)/", mails[NEW].content)
    await world.publish("two")
    await world.run(after=DAY)
    await browser.post(link(mails[NEW], "address"), data={"page": "x"})
    await browser.post(link(mails[ANNA], "moving"), data={"page": "x"})
    await world.publish("three")
    await world.run(after=DAY)
    assert (world.told(ANNA), world.told(NEW)) == ([("one",), ("two",)], [("three",)])


async def test_mails_that_waited_for_a_relay_say_when_their_links_end(world: World, browser: httpx.AsyncClient) -> None:
    await world.subscribe(ANNA, "daily", timezone="Asia/Tokyo")
    manage = await fresh_link(world, browser)
    seen, asked_at = len(world.mails), world.now
    await browser.post(manage, data={"act": "address", "publication": "mias-feed", "email": NEW})
    await world.run(after=timedelta(hours=40))
    await world.run(after=timedelta(minutes=2))
    until = (asked_at + timedelta(hours=72)).astimezone(ZoneInfo("Asia/Tokyo"))
    says = f"The link works until {until:%A}, {until.day} {until:%B}, {until:%H:%M}."
    mails = {mail.to: mail for mail in world.mails[seen:] if not mail.is_digest}
    assert [says in " ".join(text(mails[to]).split()) for to in (ANNA, NEW)] == [True, True]
    moving = link(mails[ANNA], "moving")
    world.now = asked_at + timedelta(hours=72) - timedelta(seconds=1)
    assert (await browser.get(moving)).status_code == 200
    world.now += timedelta(seconds=1)
    assert (await browser.get(moving)).status_code == 410


async def test_the_mail_to_an_address_that_is_another_readers_has_no_link_to_act_by(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.subscribe(ANNA, "daily")
    await world.subscribe(NEW, "monthly")
    mails = await ask_to_move(world, browser)
    assert set(mails) == {ANNA, NEW}
    assert not re.search(rb"https?://", mails[NEW].content.partition(b"text/html")[0])
    await browser.post(link(mails[ANNA], "moving"), data={"page": "x"})
    assert (await world.subscription(ANNA)).id != (await world.subscription(NEW)).id


async def test_a_wish_withdrawn_before_the_mails_go_out_asks_nobody(world: World, browser: httpx.AsyncClient) -> None:
    await world.subscribe(ANNA, "daily")
    manage = await fresh_link(world, browser)
    seen = len(world.mails)
    wish = {"act": "address", "publication": "mias-feed", "email": NEW}
    await browser.post(manage, data=wish)
    await world.queue()
    await browser.post(manage, data=wish | {"act": "keep"})
    await world.run()
    assert world.mails[seen:] == []
    ended = [(row.kind, row.state.value) for row in await world.deliveries(ANNA)][-2:]
    assert ended == [("moving", "withheld"), ("address", "withheld")]


async def test_a_new_address_that_does_not_exist_is_no_miss_of_the_reader_and_suppresses_only_itself(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.subscribe(ANNA, "daily")
    world.server.answer("rcpt", "550 5.1.1 no such user", address=NEW)
    await ask_to_move(world, browser)
    row = await world.subscription(ANNA)
    assert (row.state.value, row.misses) == ("active", 0)
    async with world.parts.db.reading() as connection:
        suppressed = await suppression.covered(connection, world.parts.hasher, [ANNA, NEW])
    assert {key: reason.value for key, reason in suppressed.items()} == {NEW: "refused"}
