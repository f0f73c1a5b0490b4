"""A publisher's program hands in an Article and brings readers; what they get is told by their mail alone."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest

from digest.web import app, parts as web
from digest.web.api import keys
from tests.support.world import ARTICLE_URL, World

pytestmark = pytest.mark.anyio
FEED = "/api/v1/publications/mias-feed"
DAY = timedelta(days=1)


@pytest.fixture
async def program(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """With a key that opens everything."""

    async def nothing(_token: object) -> None:
        return None

    async def well() -> web.Readiness:
        return web.Readiness()

    parts = world.parts
    async with parts.db.transaction() as connection:
        _, key = await keys.make(connection, keys.Wish("shop", tuple(keys.SCOPES)), world.now)
    site = web.Parts(
        db=parts.db,
        signer=parts.signer,
        hasher=parts.hasher,
        clock=lambda: world.now,
        base_url="https://news.example.org",
        view=nothing,
        probe=well,
    )
    headers = {"Authorization": f"Bearer {key}"}
    transport = httpx.ASGITransport(app.create(site))
    async with httpx.AsyncClient(transport=transport, base_url="https://news.example.org", headers=headers) as client:
        yield client


async def hand_in(program: httpx.AsyncClient, name: str, **more: str) -> None:
    article = {"title": f"Title of {name}", "url": ARTICLE_URL + name, "topics": ["heart"], **more}
    assert (await program.put(f"{FEED}/articles/{name}", json=article)).status_code == 201


async def bring(program: httpx.AsyncClient, email: str, **more: object) -> int:
    answer = await program.post(f"{FEED}/subscribers", json={"email": email, "frequency": "daily", **more})
    assert answer.status_code == 201
    return int(answer.json()["id"])


async def test_who_agreed_elsewhere_gets_what_was_handed_in(world: World, program: httpx.AsyncClient) -> None:
    consent = {"at": (world.now - DAY).isoformat(), "source": "https://shop.example/signup"}
    anna = await bring(program, "anna@example.org", consent=consent)
    await hand_in(program, "one")
    await hand_in(program, "later", release_at=(world.now + 3 * DAY).isoformat())
    await world.run_until(world.now + 2 * DAY)
    assert world.told("anna@example.org") == [("one",)]
    await world.run_until(world.now + 2 * DAY)
    assert world.told("anna@example.org") == [("one",), ("later",)]
    await hand_in(program, "two")
    assert (await program.post(f"{FEED}/subscribers/{anna}/unsubscribe")).status_code == 200
    await world.run_until(world.now + 2 * DAY)
    assert len(world.told("anna@example.org")) == 2


async def test_who_did_not_is_asked_and_gets_nothing_before_they_confirm(
    world: World, program: httpx.AsyncClient
) -> None:
    await bring(program, "ben@example.org")
    await hand_in(program, "one")
    await world.run(after=DAY)
    [request] = [mail for mail in world.mails if mail.to == "ben@example.org"]
    assert world.told("ben@example.org") == []
    path = re.search(r"https://news\.example\.org(/confirm/\S+)", request.content.decode().replace("=\r\n", ""))
    assert path is not None
    assert (await program.post(path[1].rstrip(">"), data={"page": "x"})).status_code == 200
    await world.run(after=DAY)
    assert world.told("ben@example.org") == [("one",)]


async def test_what_is_taken_back_in_time_is_told_to_nobody(world: World, program: httpx.AsyncClient) -> None:
    await world.subscribe("anna@example.org", "daily")
    await hand_in(program, "wrong")
    await hand_in(program, "right")
    assert (await program.delete(f"{FEED}/articles/wrong")).json()["state"] == "retracted"
    await world.run(after=DAY)
    assert world.told("anna@example.org") == [("right",)]


async def test_sent_now_and_paused_at_once_nothing_leaves_until_it_goes_on(
    world: World, program: httpx.AsyncClient
) -> None:
    await world.subscribe("anna@example.org", "weekly")
    await hand_in(program, "one")
    await world.release()
    [edition] = (await program.post(f"{FEED}/editions/send-now", json={})).json()["editions"]
    await program.post(f"{FEED}/editions/{edition}/pause")
    await world.run()
    assert world.told("anna@example.org") == []
    await program.post(f"{FEED}/editions/{edition}/resume")
    await world.run()
    assert world.told("anna@example.org") == [("one",)]
    found = (await program.get(f"{FEED}/editions/{edition}")).json()
    assert (found["state"], found["deliveries"], found["percent"]) == ("finished", {"sent": 1}, 100.0)
