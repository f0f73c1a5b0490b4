"""What a reader of everything got by mail is in the archive, and stays there when the mail is long forgotten."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from lxml import html

from digest.archive import keep
from digest.outbox import prune
from tests.support import archive, doors, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
ANNA, BEN = "anna@example.org", "ben@example.org"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
async def world(db_url: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    offer = [{"frequency": name} for name in ("daily", "weekly", "instant")]
    async with worlds.a_world(db_url, tmp_path, now, archive="listed", frequencies=offer, first_articles=0) as made:
        yield made


@pytest.fixture
async def browser(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with doors.of(world) as client:
        yield client


async def stories(browser: httpx.AsyncClient, path: str) -> set[str]:
    page = html.fromstring((await browser.get(path)).content)
    return {link.removeprefix(worlds.ARTICLE_URL) for link in page.xpath("//article//a/@href")}


async def dates(browser: httpx.AsyncClient, frequency: str) -> list[str]:
    page = html.fromstring((await browser.get(f"/archive/mias-feed/{frequency}")).content)
    return list(reversed(page.xpath("//ul[@class='dates']//a/@href")))


async def pass_a_fortnight(world: World) -> None:
    for day in range(14):
        for number in range(day % 3):
            await world.publish(f"a{day}-{number}", *(["heart"] if number else []))
        await world.run_until(world.now + DAY, step=5 * HOUR)


@pytest.mark.parametrize("min_items", [1, 3])
async def test_each_page_tells_what_the_mail_of_that_date_did(
    world: World, browser: httpx.AsyncClient, min_items: int
) -> None:
    await archive.apply(world.parts.db, world.publication, min_items=min_items)
    await world.subscribe(ANNA, "daily")
    await world.subscribe(BEN, "weekly")
    await pass_a_fortnight(world)
    for reader, frequency in ((ANNA, "daily"), (BEN, "weekly")):
        mails = [mail for mail in world.mails if mail.to == reader]
        shown = await dates(browser, frequency)
        assert len(shown) == len(mails) > 1
        for mail, path in zip(mails, shown, strict=True):
            assert await stories(browser, path) == set(mail.articles)
            assert b"List-Archive: <https://news.example.org/archive/mias-feed>" in mail.content


async def test_pages_stay_as_they_are_when_mail_is_pruned_and_a_gone_mail_leads_there(
    world: World, browser: httpx.AsyncClient
) -> None:
    await world.subscribe(ANNA, "daily")
    await pass_a_fortnight(world)
    paths = [
        "/archive/mias-feed",
        *[path for name in ("daily", "weekly", "instant") for path in await dates(browser, name)],
    ]
    before = {path: (await browser.get(path)).content for path in paths}
    pruned = await prune.run(world.parts.db, DAY, world.now + 90 * DAY)
    assert pruned.deliveries > 5
    assert pruned.editions > 5
    async with doors.of(world) as later:
        # A browser of another day: the first one's site may still remember.
        assert {path: (await later.get(path)).content for path in paths} == before
    shown = await dates(browser, "daily")
    for mail, path in zip(world.mails, shown, strict=True):
        answer = await browser.get(f"/mail/{mail.token}")
        assert answer.status_code == 410
        assert html.fromstring(answer.content).xpath("//main//a/@href") == [path, "/archive/mias-feed"]


async def test_without_an_archive_a_gone_mail_promises_none(db_url: str, tmp_path: Path, now: datetime) -> None:
    async with worlds.a_world(db_url, tmp_path, now) as world, doors.of(world) as browser:
        await world.subscribe(ANNA, "daily")
        await world.publish("one")
        await world.run(after=DAY)
        assert b"List-Archive" not in world.mails[0].content
        answer = await browser.get(f"/mail/{world.mails[0].token}")
        assert answer.status_code == 410
        assert html.fromstring(answer.content).xpath("//main//a") == []


async def test_a_mail_older_than_the_archive_leads_to_the_archive_only(
    db_url: str, tmp_path: Path, now: datetime
) -> None:
    """Which of the pages written in one go would tell the same is not known."""
    async with worlds.a_world(db_url, tmp_path, now) as world, doors.of(world) as browser:
        await world.subscribe(ANNA, "daily")
        for day in range(3):
            await world.publish(f"a{day}")
            await world.run(after=DAY)
        await archive.apply(world.parts.db, world.publication, archive="listed")
        await keep.run(world.parts.db, world.now)
        assert len(await dates(browser, "daily")) > 1
        answer = await browser.get(f"/mail/{world.mails[0].token}")
        assert html.fromstring(answer.content).xpath("//main//a/@href") == ["/archive/mias-feed"]
        await world.run(after=HOUR)
        await world.publish("new")
        await world.run(after=DAY)
        answer = await browser.get(f"/mail/{world.mails[-1].token}")
        assert html.fromstring(answer.content).xpath("//main//a/@href")[0] == (await dates(browser, "daily"))[-1]
