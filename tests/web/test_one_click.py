"""RFC 8058 as mailbox providers do it: no cookie, no redirect, the same answer whatever the token is worth."""

import asyncio

import httpx
import pytest

from digest import database, links
from digest.audience import erase, models
from tests.support import cast

pytestmark = pytest.mark.anyio
State = models.SubscriptionState
URLENCODED = b"List-Unsubscribe=One-Click"
MULTIPART = (
    b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
    b'Content-Disposition: form-data; name="List-Unsubscribe"\r\n\r\n'
    b"One-Click\r\n"
    b"------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
)
FORMS = "application/x-www-form-urlencoded"
PARTS = "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW"


async def post(site, token, body=URLENCODED, kind=FORMS, slash=""):
    return await site.client.post(f"/unsubscribe/{token}{slash}", content=body, headers={"Content-Type": kind})


def the_answer(response):
    headers = {name: value for name, value in response.headers.items() if name not in ("date", "server")}
    return response.status_code, headers, response.text


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (URLENCODED, FORMS),
        (MULTIPART, PARTS),
        # The body decides: providers were seen to send these.
        (URLENCODED, PARTS),
        (MULTIPART, FORMS),
        (URLENCODED, "text/plain"),
        (URLENCODED + b"\r\n", FORMS),
        (MULTIPART.replace(b"\r\n", b"\n"), PARTS),
        (b"", FORMS),
        # More than a form has.
        (b"a=1&" * 2000 + URLENCODED, FORMS),
    ],
)
async def test_one_click_ends_the_subscription(site, body, kind, slash):
    response = await post(site, site.token(), body, kind, slash)
    assert response.status_code == 200
    assert "set-cookie" not in response.headers
    assert (await site.row()).state is State.UNSUBSCRIBED
    assert await site.changes() == [("left", "one-click")]


async def test_every_token_gets_the_same_answer(site):
    gone = await cast.a_subscription(site.db, site.publication, "ben@example.org")
    async with site.db.transaction() as connection:
        await erase.erase(connection, cast.HASHER, "ben@example.org", now=site.now)
    await site.set(generation=2)
    good = site.token(2)
    tokens = {
        "forged": good[:-2] + ("AA" if good[-2:] != "AA" else "BB"),
        "no token": "x",
        "very long": "x" * 5000,
        "odd": "%00%ff%0a",
        "erased": site.token(reader=gone),
        "never was": site.token(reader=10**9),
        "foreign key": site.token(2, signer=links.Signer(["a-foreign-key-that-nobody-guesses-0123456"])),
        "old generation": site.token(1),
    }
    before = await cast.everything(site.db)
    answers = {name: the_answer(await post(site, token)) for name, token in tokens.items()}
    assert await cast.everything(site.db) == before
    answers["valid"] = the_answer(await post(site, good))
    answers["repeated"] = the_answer(await post(site, good))
    assert answers["valid"][0] == 200
    assert {name for name, answer in answers.items() if answer != answers["valid"]} == set()
    assert (await site.row()).state is State.UNSUBSCRIBED


@pytest.mark.parametrize("key", cast.KEYS)
async def test_links_signed_with_any_key_still_in_use_work(site, key):
    await post(site, site.token(signer=links.Signer([key])))
    assert (await site.row()).state is State.UNSUBSCRIBED


async def test_a_repeat_leaves_no_second_trace(site):
    await post(site, site.token())
    before = await cast.everything(site.db)
    site.later(days=400)
    await post(site, site.token())
    assert await cast.everything(site.db) == before


async def test_many_at_once_end_it_once(site):
    answers = await asyncio.gather(*(post(site, site.token()) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert await site.changes() == [("left", "one-click")]


async def test_a_link_from_before_coming_back_ends_nothing_by_one_click(site):
    await site.set(generation=2)
    assert (await post(site, site.token(1))).status_code == 200
    assert (await site.row()).state is State.ACTIVE
    assert await site.changes() == []


async def test_a_pending_reader_can_leave_too(site):
    await site.set(state=State.PENDING)
    await post(site, site.token())
    assert (await site.row()).state is State.UNSUBSCRIBED


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "PROPFIND"])
async def test_other_methods_are_refused_and_change_nothing(site, method):
    before = await cast.everything(site.db)
    response = await site.client.request(method, f"/unsubscribe/{site.token()}", content=URLENCODED)
    assert (response.status_code, response.headers["allow"]) == (405, "OPTIONS, HEAD, GET, POST")
    assert await cast.everything(site.db) == before


async def test_only_our_own_failure_is_a_503(site):
    site.db = database.connect("postgresql://digest@127.0.0.1:1/nobody-listens-here")
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(site.app()), base_url="https://digest.example.org"
    ) as client:
        response = await client.post(f"/unsubscribe/{site.token()}", content=URLENCODED)
        assert (response.status_code, response.headers["retry-after"]) == (503, "60")
        assert "We cannot do this right now" in response.text
        assert (await client.post("/unsubscribe/forged", content=URLENCODED)).status_code == 200
