"""A reader's whole way in a real browser: from the form that asks how often to the day they leave, and back."""

import json
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import pytest
from playwright.async_api import Browser

from tests.support import browsing, house as houses
from tests.support.browsing import Visitor, Window
from tests.support.house import House
from tests.support.world import Mail

pytestmark = pytest.mark.anyio
BEA, ELSEWHERE = "bea@example.org", "bea@example.net"
# Whoever reads a form and types an address needs some seconds.
READING = {"seconds": 20}


@pytest.fixture(scope="module")
async def browser(anyio_backend: str) -> AsyncIterator[Browser]:
    async with browsing.started() as found:
        yield found


@pytest.fixture
async def house(db_url: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[House]:
    async with houses.opened(db_url, tmp_path, now, goodbye=True, settings_changed=True) as made:
        for name in ("walking", "sleeping"):
            await made.world.publish(name)
        await made.world.release()
        yield made


@pytest.mark.parametrize("window", browsing.WINDOWS.values(), ids=browsing.WINDOWS)
async def test_from_signing_up_to_leaving_and_back(house: House, browser: Browser, window: Window) -> None:
    async with browsing.visiting(browser, house.url, window) as bea:
        await signs_up(house, bea)
        await confirms(house, bea)
        await less_often(house, bea)
        await pauses(house, bea)
        await manages(house, bea)
        await leaves_and_comes_back(house, bea)
        await moves(house, bea)
        await is_forgotten(house, bea)


async def signs_up(house: House, bea: Visitor) -> None:
    await bea.open("/subscribe/mias-feed")
    assert await bea.heading() == "How often would you like updates?"
    house.wait(**READING)
    await bea.choose("Every day")
    await bea.choose("Only these topics")
    await bea.choose("Heart")
    await bea.fill("Your e-mail address", BEA)
    await bea.press("Sign up")
    assert await bea.heading() == "One more step: look into your mailbox"
    assert await bea.says("Your first digest comes on Tuesday, 3 November, 07:00.")


async def confirms(house: House, bea: Visitor) -> None:
    mail = await house.mail("Please confirm", seconds=2)
    assert mail.to == BEA
    await bea.open(house.links(mail)["confirm"])
    assert await bea.heading() == "One click, and you are in"
    assert house.world.told(BEA) == []
    await bea.press("Yes, send it to me")
    assert await bea.heading() == "You are in"
    await house.mail("Welcome", seconds=2)


async def less_often(house: House, bea: Visitor) -> None:
    await house.world.publish("beating", "heart")
    digest = await house.mail("beating", days=1, hours=1)
    assert digest.articles == ("beating",)
    await bea.open(house.links(digest)["less"])
    assert await bea.heading() == "Hear from us less often"
    await bea.choose("Once a week")
    await bea.press("Save")
    assert await bea.heading() == "All set"
    assert await bea.says("b***@example.org gets this every Monday at 07:00, Berlin time.")
    await house.mail("this is how you get it from now on", seconds=2)


async def pauses(house: House, bea: Visitor) -> None:
    await house.world.publish("pumping", "heart")
    digest = await house.mail("pumping", days=7)
    await bea.open(house.links(digest)["pause"])
    await bea.choose("4 weeks")
    await bea.press("Pause")
    assert await bea.heading() == "Paused"
    await house.mail("this is how you get it from now on", seconds=2)
    await house.world.publish("resting", "heart")
    await house.world.run(after=houses.timedelta(days=14))
    assert house.world.told(BEA)[-1] == ("pumping",)
    await bea.open(house.links(digest)["pause"])
    await bea.press("Resume now")
    assert await bea.heading() == "All set"


async def manages(house: House, bea: Visitor) -> None:
    digest = house.world.mails[-1]
    await bea.open(house.links(digest)["settings"])
    assert house.world.mails[-1] is digest
    await bea.press("Mail me a link to all my settings")
    link = house.links(await house.mail("your link to all settings", seconds=2))["manage"]
    await bea.open(link)
    await bea.unfold("Language")
    await bea.pick("Language of the mails", "Deutsch")
    await bea.press("Save")
    assert await bea.heading() == "Alle Ihre Einstellungen"
    await bea.unfold("Sprache")
    await bea.pick("Sprache der Mails", "English")
    await bea.press("Speichern")
    assert await bea.heading() == "All your settings"


async def leaves_and_comes_back(house: House, bea: Visitor) -> None:
    await house.world.run(after=houses.timedelta(days=7))
    digest = newest_digest(house)
    assert digest.articles == ("resting",)
    await bea.open(house.links(digest)["unsubscribe"])
    await bea.press("Unsubscribe")
    assert await bea.heading() == "You are unsubscribed"
    await house.mail("You have left", seconds=2)
    await bea.press("Undo")
    assert await bea.heading() == "All set"
    await house.world.publish("running", "heart")
    again = await house.mail("running", days=7)
    assert again.articles == ("running",)


def newest_digest(house: House) -> Mail:
    """A mail about a change may come in the same minute, before it or after."""
    return next(mail for mail in reversed(house.world.mails) if mail.is_digest)


async def fresh_link(house: House, bea: Visitor) -> None:
    """All settings, by a link that the newest digest has the way to."""
    await bea.open(house.links(newest_digest(house))["settings"])
    await bea.press("Mail me a link to all my settings")
    await bea.open(house.links(await house.mail("your link to all settings", seconds=2))["manage"])


async def moves(house: House, bea: Visitor) -> None:
    await fresh_link(house, bea)
    await bea.unfold("Address")
    await bea.fill("New address", ELSEWHERE)
    await bea.press("Change my address")
    assert await bea.says("A mail went to each of the two addresses.")
    seen = len(house.world.mails)
    # One mail at a time goes out in a reader's name.
    for pause in (2, 90):
        await house.world.run(after=houses.timedelta(seconds=pause))
    asked = {mail.to: house.links(mail) for mail in house.world.mails[seen:]}
    await bea.open(asked[ELSEWHERE]["address"])
    await bea.press("Yes, this is my address")
    assert await bea.heading() == "Half of it is done"
    await bea.open(asked[BEA]["moving"])
    await bea.press("Yes, change my address")
    assert await bea.heading() == "Your address is changed"
    await house.world.publish("breathing", "heart")
    assert (await house.mail("breathing", days=7)).to == ELSEWHERE


async def is_forgotten(house: House, bea: Visitor) -> None:
    await fresh_link(house, bea)
    await bea.unfold("Your data")
    async with bea.page.expect_download() as started:
        await bea.page.get_by_text("Download my data").click()
    held = json.loads(Path(await (await started.value).path()).read_text())
    assert (held["address"], len(held["mails"]) > 10) == (ELSEWHERE, True)
    await bea.page.get_by_text("Erase all my data").click()
    assert await bea.heading() == "Erase all my data"
    await bea.press("Erase all my data")
    assert await bea.heading() == "You are forgotten"
    await house.world.publish("listening", "heart")
    seen = len(house.world.mails)
    await house.world.run(after=houses.timedelta(days=7))
    assert house.world.mails[seen:] == []
