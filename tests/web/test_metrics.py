"""Metrics among the pages: only for those who bring the token, and without one for nobody."""

import dataclasses

import httpx
import pytest

from digest.web import app, parts

pytestmark = pytest.mark.anyio
TOKEN = "a-token-that-nobody-guesses"


async def measure() -> bytes:
    return b"digest_x 1\n"


def a_client(site, **changes):
    given = dataclasses.replace(site.parts(), **changes)
    transport = httpx.ASGITransport(app.create(given), client=("127.0.0.1", 1))
    return httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")


@pytest.mark.parametrize("changes", [{}, {"measure": measure}, {"metrics_token": TOKEN}])
async def test_without_a_token_there_is_no_such_page_not_even_for_this_machine(site, changes):
    async with a_client(site, **changes) as client:
        assert (await client.get("/metrics", headers={"Authorization": "Bearer "})).status_code == 404


async def test_whoever_brings_the_token_reads(site):
    async with a_client(site, measure=measure, metrics_token=TOKEN) as client:
        answer = await client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert (answer.status_code, answer.text) == (200, "digest_x 1\n")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("given", ["", "Bearer wrong", f"Basic {TOKEN}", f"Bearer {TOKEN[:-1]}", "Bearer \xfc"])
async def test_others_are_asked_for_it(site, given):
    async with a_client(site, measure=measure, metrics_token=TOKEN) as client:
        answer = await client.get("/metrics", headers={"Authorization": given.encode("latin-1")} if given else {})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert "digest_x" not in answer.text


async def test_parts_without_metrics_are_as_before(site):
    assert isinstance(site.parts(), parts.Parts)
    assert site.parts().measure is None
