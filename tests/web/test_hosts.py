"""Which names the pages answer to, and what is said over https."""

import httpx
import pytest

from digest.web import app, hosts
from tests.support import cast

pytestmark = pytest.mark.anyio
OWN = "digest.example.org"


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
