"""A picture goes from a publisher's server into a mail: as it lies there, or as a copy that our own pages serve."""

import dataclasses
import email
import email.policy
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest

from digest.articles import submit
from digest.articles.pictures import header
from digest.audience import apply
from digest.web import app, parts as web
from tests.support import cast, drawings, feedserver, world as worlds
from tests.support.feedserver import Reply
from tests.support.world import World

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)


@pytest.fixture
async def world(db_url: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, now, images="rehost") as made:
        made.parts = dataclasses.replace(made.parts, gatherer=drawings.SHY)
        yield made


async def publish(world: World, url: str) -> None:
    given = submit.Submission(title="A walk", url="https://feed.example/articles/walk", image_url=url)
    await submit.add(world.parts.db, world.publication, [given], world.now)


def picture(world: World) -> dict[str, str]:
    """The attributes of the one picture in the newest mail."""
    message = email.message_from_bytes(world.mails[-1].content, policy=email.policy.default)
    html = message.get_body(("html",))
    assert html is not None
    found = re.findall(r"<img [^>]*>", html.get_content())
    return dict(re.findall(r'([a-z]+)="([^"]*)"', found[0])) if found else {}


async def fetched(world: World, url: str) -> httpx.Response:
    """What a mail program gets at this address of our site."""

    async def nothing(_token: object) -> None:
        return None

    async def well() -> web.Readiness:
        return web.Readiness()

    parts, base = world.parts, world.parts.settings.base_url
    site = web.Parts(parts.db, parts.signer, parts.hasher, lambda: world.now, base, nothing, well)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.create(site))) as client:
        return await client.get(url)


async def test_a_copy_is_in_the_mail_and_on_our_pages(world: World) -> None:
    await world.subscribe("anna@example.org")
    with feedserver.serve({"/a.webp": Reply(body=drawings.a_picture("WEBP", (2000, 1500)))}) as server:
        await publish(world, server.url("/a.webp"))
        await world.run(after=DAY)
    shown = picture(world)
    assert 4 * int(shown["height"]) == 3 * int(shown["width"])
    assert shown["src"].startswith(f"{world.parts.settings.base_url}/images/")
    answer = await fetched(world, shown["src"])
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert header.read(answer.content) == header.Seen("jpeg", 1072, 804)


async def test_while_there_is_no_copy_the_original_is_shown_and_mails_change_once_there_is(world: World) -> None:
    await world.subscribe("anna@example.org", "daily", send_at="07:00", timezone="UTC")
    await world.subscribe("bea@example.org", "daily", send_at="09:00", timezone="UTC")
    with feedserver.serve({"/a.jpg": [Reply(503), Reply(body=drawings.a_picture())]}) as server:
        await publish(world, server.url("/a.jpg"))
        await world.run(after=timedelta(hours=1, minutes=1))
        assert picture(world)["src"] == server.url("/a.jpg")
        await world.run(after=timedelta(hours=2))
    assert [mail.to for mail in world.mails] == ["anna@example.org", "bea@example.org"]
    assert "/images/" in picture(world)["src"]


async def test_a_format_that_leaves_an_empty_frame_is_left_out_without_a_copy(world: World) -> None:
    await world.subscribe("anna@example.org")
    with feedserver.serve({"/a.webp": Reply(404)}) as server:
        await publish(world, server.url("/a.webp"))
        await world.run(after=DAY)
    assert world.told("anna@example.org") == [("walk",)]
    assert picture(world) == {}


async def test_a_measured_picture_has_its_room_reserved(world: World) -> None:
    world.parts = dataclasses.replace(world.parts, gatherer=drawings.GATHERER)
    await apply.apply(world.parts.db, cast.a_spec(images="link"), world.now)
    await world.subscribe("anna@example.org")
    with feedserver.serve({"/a.jpg": Reply(body=drawings.a_picture(size=(1600, 1200)))}) as server:
        await publish(world, server.url("/a.jpg"))
        await world.run(after=DAY)
        assert picture(world)["src"] == server.url("/a.jpg")
    assert 4 * int(picture(world)["height"]) == 3 * int(picture(world)["width"])
