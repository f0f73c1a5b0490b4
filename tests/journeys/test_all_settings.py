"""From a mail to all settings: the link comes to the reader's own address, and what is saved there shapes the mail."""

import email
import email.policy
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from tests.support import doors, wirecheck, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
ANNA, DAY = "anna@example.org", timedelta(days=1)


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, engine=engine) as made:
        yield made


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with doors.of(world) as client:
        yield client


def link(mail: worlds.Mail, name: str) -> str:
    """The path of this link in a mail, as its text has it."""
    body = email.message_from_bytes(mail.content, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    found = re.search(rf"{re.escape(doors.SITE)}(/{name}/\S+)", body.get_content())
    assert found, body.get_content()
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
