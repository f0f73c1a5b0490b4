"""Which names the pages answer to, and what is said over https."""

import asyncio
import contextlib

import httpx
import pytest
import sqlalchemy.exc

from digest.audience import models
from digest.web import app, hosts
from tests.support import cast

pytestmark = pytest.mark.anyio
OWN = "digest.example.org"
MIA = {"Host": "mia.example"}


class Shaky:
    """A database that may be slow or down, and counts who looks."""

    def __init__(self, db):
        self.db, self.is_down, self.looks = db, False, 0
        self.is_quick, self.is_asked = asyncio.Event(), asyncio.Event()
        self.is_quick.set()

    def __getattr__(self, name):
        return getattr(self.db, name)

    @contextlib.asynccontextmanager
    async def reading(self):
        self.looks += 1
        self.is_asked.set()
        await self.is_quick.wait()
        if self.is_down:
            raise sqlalchemy.exc.OperationalError("SELECT", {}, OSError("connection refused"))
        async with self.db.reading() as connection:
            yield connection


@pytest.fixture
async def shaky(site):
    """A service just started, with a Publication that has a name of its own."""
    await cast.a_publication(site.db, slug="mia", base_url="https://mia.example/mail")
    site.db = Shaky(site.db)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(site.app()), base_url=f"https://{OWN}") as client:
        site.client = client
        yield site.db


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (OWN, 200),
        (OWN.upper(), 200),
        (f"{OWN}.", 200),
        (f"{OWN}:8443", 200),
        ("127.0.0.1:8000", 200),
        ("localhost", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        (f"{OWN}.evil.example", 421),
        (f"x@{OWN}@evil.example", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_only_our_own_names_are_answered(site, host, status):
    answer = await site.client.get("/", headers={"Host": host})
    assert answer.status_code == status


async def test_the_name_of_a_publication_is_ours_as_soon_as_it_is_there(site, monkeypatch):
    monkeypatch.setattr(hosts, "LOOK_SECONDS", 0.0)
    assert (await site.client.get("/", headers={"Host": "mia.example"})).status_code == 421
    await cast.a_publication(site.db, slug="mia", base_url="https://mia.example/mail")
    assert (await site.client.get("/", headers={"Host": "mia.example"})).status_code == 200


async def test_strangers_names_cost_one_look_in_ten_seconds(site):
    for _ in range(20):
        assert (await site.client.get("/", headers={"Host": "evil.example"})).status_code == 421
    await cast.a_publication(site.db, slug="mia", base_url="https://mia.example/mail")
    assert (await site.client.get("/", headers={"Host": "mia.example"})).status_code == 421


async def test_all_who_come_during_the_first_look_wait_for_it(site, shaky):
    shaky.is_quick.clear()
    leave = {"url": f"/unsubscribe/{site.token()}", "content": b"List-Unsubscribe=One-Click", "headers": MIA}
    coming = [asyncio.create_task(site.client.post(**leave)) for _ in range(8)]
    await shaky.is_asked.wait()
    coming.append(asyncio.create_task(site.client.get("/", headers={"Host": "evil.example"})))
    await asyncio.sleep(0.05)
    shaky.is_quick.set()
    assert [answer.status_code for answer in await asyncio.gather(*coming)] == [200] * 8 + [421]
    assert shaky.looks == 1
    assert (await site.row()).state is models.SubscriptionState.UNSUBSCRIBED


async def test_who_hangs_up_during_a_look_does_not_end_it_for_the_others(site, shaky):
    shaky.is_quick.clear()
    first, second = (asyncio.create_task(site.client.get("/", headers=MIA)) for _ in range(2))
    await shaky.is_asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    shaky.is_quick.set()
    assert ((await second).status_code, first.cancelled(), shaky.looks) == (200, True, 1)


async def test_a_name_is_not_refused_before_the_database_was_ever_seen(site, shaky):
    shaky.is_down = True
    for _ in range(2):
        answer = await site.client.get("/", headers=MIA)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert "We cannot do this right now" in answer.text
        assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert (await site.client.get("/", headers={"Host": OWN})).status_code == 200
    shaky.is_down = False
    assert (await site.client.get("/", headers=MIA)).status_code == 200


async def test_what_is_known_outlives_a_database_that_is_down(site, shaky, monkeypatch):
    monkeypatch.setattr(hosts, "LOOK_SECONDS", 0.0)
    assert (await site.client.get("/", headers=MIA)).status_code == 200
    shaky.is_down = True
    assert (await site.client.get("/", headers={"Host": "evil.example"})).status_code == 421
    assert (await site.client.get("/", headers=MIA)).status_code == 200
    monkeypatch.setattr(hosts, "LOOK_SECONDS", 10.0)
    for _ in range(20):
        assert (await site.client.get("/", headers={"Host": "evil.example"})).status_code == 421
    assert shaky.looks == 2


async def test_machines_ask_for_health_under_any_name(site):
    for path in ("/health/live", "/health/ready"):
        assert (await site.client.get(path, headers={"Host": "10.0.0.7:8000"})).status_code == 200


@pytest.mark.parametrize(
    ("scheme", "days", "said"), [("https", 2, "max-age=172800"), ("http", 2, None), ("https", 0, None)]
)
async def test_https_is_asked_for_where_it_is_used_and_wanted(site, scheme, days, said):
    made = app.create(site.parts(hsts_days=days))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url=f"{scheme}://{OWN}") as client:
        answer = await client.get("/")
    assert answer.headers.get("Strict-Transport-Security") == said
