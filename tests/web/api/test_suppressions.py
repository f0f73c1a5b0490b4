"""Suppressions through the API: added, found, lifted, and listed without an address."""

import asyncio

import pytest

from tests.web.api.conftest import Publisher

pytestmark = pytest.mark.anyio
PLACE = "/api/v1/suppressions"


async def test_an_address_is_suppressed_once(publisher: Publisher) -> None:
    first = await publisher.call("POST", PLACE, {"email": "Ben@Example.org"})
    again = await publisher.call("POST", PLACE, {"email": "ben@example.org"})
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert first.json()["reason"] == "operator"
    assert (await publisher.call("POST", f"{PLACE}/lookup", {"email": "ben@example.org"})).json() == first.json()
    joined = await publisher.call("POST", "/subscribers", {"email": "ben@example.org"})
    assert joined.status_code == 409


async def test_of_many_who_suppress_one_address_at_once_one_does(publisher: Publisher) -> None:
    calls = (publisher.call("POST", PLACE, {"email": "ben@example.org"}) for _ in range(8))
    assert sorted(answer.status_code for answer in await asyncio.gather(*calls)) == [200] * 7 + [201]


async def test_it_can_be_lifted(publisher: Publisher) -> None:
    answer = await publisher.call("POST", PLACE, {"email": "ben@example.org"})
    place, tag = f"{PLACE}/{answer.json()['id']}", answer.headers["etag"]
    assert (await publisher.call("DELETE", place, headers={"If-Match": '"old"'})).status_code == 412
    assert (await publisher.call("DELETE", place, headers={"If-Match": tag})).status_code == 204
    assert (await publisher.call("DELETE", place)).status_code == 404
    assert (await publisher.call("POST", f"{PLACE}/lookup", {"email": "ben@example.org"})).status_code == 404


async def test_the_list_names_nobody(publisher: Publisher) -> None:
    ids = []
    for name in ("ben", "cleo", "dan"):
        ids.append((await publisher.call("POST", PLACE, {"email": f"{name}@example.org"})).json()["id"])
    page = await publisher.get(f"{PLACE}?limit=2")
    rest = await publisher.get(PLACE + page.headers["link"].partition("<")[2].partition(">")[0])
    assert [one["id"] for one in page.json()["items"] + rest.json()["items"]] == ids[::-1]
    assert "@" not in page.text


async def test_what_is_no_address_is_refused(publisher: Publisher) -> None:
    for path in (PLACE, f"{PLACE}/lookup"):
        answer = await publisher.call("POST", path, {"email": "no body"})
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/email")


async def test_a_bound_key_never_gets_the_scope(publisher: Publisher) -> None:
    bound = await publisher.with_key("articles:read", publication="mias-feed")
    assert (await bound.get(PLACE)).status_code == 403
