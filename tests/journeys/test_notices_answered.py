"""Each notice: from what somebody did to an inbox by SMTP, and from its own links by HTTP to what they change."""

import email
import email.policy
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from digest import addresses, publications
from digest.audience import address_changes, models as audience, preferences, signup, standing, trail
from digest.editions import typeset
from tests.support import cast, doors, table, world as worlds
from tests.support.world import Mail, World

pytestmark = pytest.mark.anyio
ANNA = "anna@example.org"
DAY = timedelta(days=1)
ALL = {"goodbye": True, "settings_changed": True, "welcome": "stories", "first_articles": 2}
# What may be done by the links of each notice, and nothing else. Those that ask for a yes ask for nothing more.
CHOICES = {"less", "pause", "topics", "settings", "unsubscribe"}
LINKS = {
    "confirm": {"confirm"},
    "welcome": CHOICES,
    "goodbye": {"unsubscribe"},
    "already": CHOICES,
    "changed": CHOICES | {"undo"},
    "address": {"address"},
    "moving": {"moving"},
    "taken": set(),
    "manage": {"manage"},
}


@pytest.fixture
async def world(db_url: str, engine: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, engine=engine, **ALL) as made:
        yield made


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with doors.of(world) as client:
        yield client


async def ask(world: World) -> int:
    spec = publications.load(world.publication.spec)
    choice = preferences.fulfil(spec, preferences.Wish(frequency="daily"))
    request = signup.Request(world.publication.id, addresses.parse(ANNA), choice)
    async with world.parts.db.transaction() as connection:
        return await signup.ask(connection, world.parts.hasher, request, door=trail.Door.PAGE, now=world.now)


def links(content: bytes) -> dict[str, str]:
    """Our own links in the text of a mail, by the first part of their path. The HTML has the same."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    found = []
    for kind in ("plain", "html"):
        body = message.get_body((kind,))
        assert body is not None
        found.append(dict(re.findall(rf"{doors.SITE}/(\w+)/([\w.-]+)", body.get_content())))
    assert found[0] == found[1]
    return {name: f"/{name}/{token}" for name, token in found[0].items()}


async def newest(world: World, words: str) -> dict[str, str]:
    """The links of the mail that has come just now, whose subject has these words."""
    before = len(world.mails)
    await world.run()
    [mail] = world.mails[before:]
    assert words in mail.subject
    return links(mail.content)


async def press(world: World, browser: httpx.AsyncClient, path: str, **fields: str) -> None:
    """Look at the page first, as a scanner would, which changes nothing; then press its button, twice."""
    before = await cast.everything(world.parts.db)
    for method in ("HEAD", "GET", "OPTIONS"):
        assert (await browser.request(method, path)).status_code in (200, 204)
    assert await cast.everything(world.parts.db) == before
    for _ in range(2):
        assert (await browser.post(path, data={"page": "x"} | fields)).status_code == 200


async def test_a_life_of_a_reader_told_by_notices(world: World, browser: httpx.AsyncClient) -> None:
    await world.publish("one", "heart")
    await world.release()
    await ask(world)
    found = await newest(world, "Please confirm")
    assert set(found) == LINKS["confirm"]
    await press(world, browser, found["confirm"])

    found = await newest(world, "Welcome")
    assert (set(found), world.mails[-1].articles) == (LINKS["welcome"], ("one",))
    await press(world, browser, found["topics"], which="some", **{"topic-heart": "1"})

    found = await newest(world, "from now on")
    assert set(found) == LINKS["changed"]
    await press(world, browser, found["undo"])
    assert (await world.subscription(ANNA)).topic_set_id is None

    await ask(world)
    found = await newest(world, "already get")
    assert set(found) == LINKS["already"]
    await world.publish("two", "sleep")
    await world.run(after=DAY)
    assert world.told(ANNA) == [("two",)]

    await press(world, browser, found["unsubscribe"])
    found = await newest(world, "You have left")
    assert set(found) == LINKS["goodbye"]
    assert "Undo" in (await browser.get(found["unsubscribe"])).text
    await press(world, browser, found["unsubscribe"].replace("unsubscribe", "undo"))
    assert (await world.subscription(ANNA)).state is audience.SubscriptionState.ACTIVE


async def test_a_request_to_confirm_is_good_for_three_days_and_once(world: World, browser: httpx.AsyncClient) -> None:
    await ask(world)
    found = await newest(world, "Please confirm")
    world.now += 3 * DAY + timedelta(seconds=1)
    assert (await browser.post(found["confirm"], data={"page": "x"})).status_code == 410
    await ask(world)
    found = await newest(world, "Please confirm")
    await press(world, browser, found["confirm"])
    await world.run()
    await world.leave(ANNA)
    # Used up: it does not bring back who has left since, though its days are not over.
    assert (await browser.post(found["confirm"], data={"page": "x"})).status_code == 410
    assert (await world.subscription(ANNA)).state is audience.SubscriptionState.UNSUBSCRIBED


@pytest.mark.parametrize(
    ("kind", "state"), [("address", "active"), ("moving", "active"), ("manage", "active"), ("manage", "unsubscribed")]
)
async def test_a_link_that_opens_more_than_a_mail_opens_nothing_else(
    world: World, browser: httpx.AsyncClient, kind: str, state: str
) -> None:
    id_ = await world.subscribe(ANNA)
    await table.change(world.parts.db, audience.Subscription, id_, state=state)
    await order(world, kind, id_)
    mail, found = await mailed(world, kind)
    assert set(found) == LINKS[kind]
    assert b"List-Unsubscribe" not in mail.content
    token = found[kind].rpartition("/")[2]
    before = await cast.everything(world.parts.db)
    # An old link to all settings is good for a fresh one, which goes to the reader and nobody else.
    for page in set(typeset.PATHS) - {kind} - ({"settings"} if kind == "manage" else set()):
        answer = await browser.post(f"/{page}/{token}", data={"page": "x", "frequency": "weekly", "which": "all"})
        assert answer.status_code in (404, 405, 410), page
    assert await cast.everything(world.parts.db) == before


async def order(world: World, kind: str, id_: int) -> None:
    if kind == "manage":
        await table.change(world.parts.db, audience.Subscription, id_, notice_due=kind)
        return
    async with world.parts.db.transaction() as connection:
        found = await standing.find(connection, id_)
        assert found is not None
        new = addresses.parse("anna@example.net")
        await address_changes.ask(connection, world.parts.hasher, found.subscription, new, now=world.now)


async def mailed(world: World, kind: str) -> tuple[Mail, dict[str, str]]:
    """The mail with the link of this kind; one at a time goes out in a reader's name."""
    for pause in (1, 90):
        await world.run(after=timedelta(seconds=pause))
    return next((mail, links(mail.content)) for mail in world.mails if kind in links(mail.content))


async def test_every_notice_is_one_of_these() -> None:
    assert set(LINKS) == set(typeset.NOTICES)
