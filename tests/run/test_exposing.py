"""Metrics at an address of their own, for those who may see them."""

import contextlib
import socket

import httpx
import pytest

from digest.run import exposing, meter
from digest.settings import Metrics

pytestmark = pytest.mark.anyio
TOKEN = "a-token-that-nobody-guesses"


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.asynccontextmanager
async def served(db, **settings):
    async with exposing.served(Metrics(**settings), meter.Meter(db, lambda: None)) as url:
        yield url


@pytest.fixture
def figures(monkeypatch):
    async def text(_self):
        return b"digest_x 1\n"

    monkeypatch.setattr(meter.Meter, "text", text)


async def get(url, **headers):
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url, headers=headers)


async def test_without_an_address_there_is_none(figures):
    async with served(None) as url:
        assert url is None


async def test_figures_are_served_until_the_end(figures, port):
    async with served(None, listen=f"127.0.0.1:{port}") as url:
        assert url == f"http://127.0.0.1:{port}/metrics"
        answer = await get(url)
        assert (answer.status_code, answer.text) == (200, "digest_x 1\n")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert (await get(url.removesuffix("metrics"))).status_code == 404
    with pytest.raises(httpx.ConnectError):
        await get(url)


async def test_a_second_process_takes_the_next_port(figures, port):
    async with served(None, listen=f"127.0.0.1:{port}") as first, served(None, listen=f"127.0.0.1:{port}") as second:
        assert first != second
        assert (await get(second)).status_code == 200


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (None, 401),
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        (f"Bearer {TOKEN}x", 401),
    ],
)
async def test_with_a_token_only_who_brings_it_is_served(figures, port, given, status):
    async with served(None, listen=f"127.0.0.1:{port}", token=TOKEN) as url:
        answer = await get(url, **({"Authorization": given} if given else {}))
        assert answer.status_code == status
        assert answer.headers.get("www-authenticate") == (None if status == 200 else "Bearer")


async def test_an_address_that_cannot_be_had_is_a_line(figures, monkeypatch):
    with pytest.raises(exposing.ListenError, match=r"metrics\.listen"):
        async with served(None, listen="203.0.113.7:9464", token=TOKEN):
            pass
