"""Articles through the API: put by guid, scheduled, changed under a condition, taken back, listed page by page."""

import asyncio
from datetime import timedelta
from urllib.parse import quote

import pytest

from digest.articles import release
from tests.support import cast
from tests.web.api.conftest import Publisher

pytestmark = pytest.mark.anyio
COFFEE = {
    "title": "Coffee is good for you again",
    "url": "https://example.org/coffee?utm_source=x",
    "body": "<p onclick='x()'>Two cups a day.</p>",
    "topics": ["heart"],
}


async def test_an_article_is_put_changed_and_got_by_its_guid(publisher: Publisher) -> None:
    first = await publisher.call("PUT", "/articles/coffee", COFFEE)
    found = first.json()
    assert (first.status_code, found["state"], found["version"], found["source"]) == (201, "waiting", 1, "push")
    assert (found["guid"], found["topics"], found["body"]) == ("coffee", ["heart"], "<p>Two cups a day.</p>")
    again = await publisher.call("PUT", "/articles/coffee", COFFEE)
    assert (again.status_code, again.json(), again.headers["etag"]) == (200, found, first.headers["etag"])
    changed = await publisher.call("PUT", "/articles/coffee", COFFEE | {"title": "Coffee, once more"})
    assert (changed.status_code, changed.json()["title"], changed.json()["version"]) == (200, "Coffee, once more", 2)
    assert (await publisher.get("/articles/coffee")).json() == changed.json()


async def test_put_five_times_at_once_it_is_one_article(publisher: Publisher) -> None:
    answers = await asyncio.gather(*(publisher.call("PUT", "/articles/coffee", COFFEE) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [201]
    assert len({answer.content for answer in answers}) == 1


@pytest.mark.parametrize("guid", ["https://example.org/?p=1", "tag:example.org,2026:a/b//c", "ä ö%2F", "import"])
async def test_a_guid_may_be_anything(publisher: Publisher, guid: str) -> None:
    place = "/articles/" + quote(guid, safe="")
    assert (await publisher.call("PUT", place, {"title": "A title"})).status_code == 201
    assert (await publisher.get(place)).json()["guid"] == guid


async def test_it_waits_for_the_time_it_is_released_at(publisher: Publisher) -> None:
    site = publisher.site
    later = (site.now + timedelta(hours=3)).isoformat()
    found = (await publisher.call("PUT", "/articles/a", COFFEE | {"release_at": later})).json()
    assert found["release_at"] == "2026-11-02T09:00:00Z"
    assert await release.run(site.db, site.now) == 0
    site.later(hours=3)
    assert await release.run(site.db, site.now) == 1
    released = (await publisher.get("/articles/a")).json()
    assert (released["state"], released["position"]) == ("released", 1)
    moved = (await publisher.call("PUT", "/articles/a", COFFEE | {"release_at": "2027-01-01T00:00:00Z"})).json()
    assert (moved["state"], moved["release_at"]) == ("released", found["release_at"])


async def test_put_without_a_time_it_comes_at_once(publisher: Publisher) -> None:
    await publisher.call("PUT", "/articles/a", COFFEE | {"release_at": "2027-01-01T00:00:00Z"})
    found = (await publisher.call("PUT", "/articles/a", COFFEE)).json()
    assert found["release_at"] == "2026-11-02T06:00:00Z"
    dated = (await publisher.call("PUT", "/articles/b", {"title": "b", "published_at": "2026-11-05T00:00:00Z"})).json()
    assert dated["release_at"] == "2026-11-05T00:00:00Z"


async def test_conditions_keep_two_editors_from_undoing_each_other(publisher: Publisher) -> None:
    fresh = {"If-None-Match": "*"}
    first = await publisher.call("PUT", "/articles/a", COFFEE, headers=fresh)
    assert first.status_code == 201
    assert (await publisher.call("PUT", "/articles/a", COFFEE, headers=fresh)).status_code == 412
    tag = first.headers["etag"]
    other = COFFEE | {"title": "Of the other editor"}
    assert (await publisher.call("PUT", "/articles/a", other, headers={"If-Match": tag})).status_code == 200
    late = await publisher.call("PUT", "/articles/a", COFFEE, headers={"If-Match": tag})
    assert (late.status_code, late.json()["title"]) == (412, "Changed since")
    assert (await publisher.call("DELETE", "/articles/a", headers={"If-Match": tag})).status_code == 412
    assert (await publisher.call("PUT", "/articles/b", COFFEE, headers={"If-Match": "*"})).status_code == 412
    assert (await publisher.get("/articles/a")).json()["title"] == "Of the other editor"


async def test_what_one_has_already_is_not_sent_again(publisher: Publisher) -> None:
    tag = (await publisher.call("PUT", "/articles/a", COFFEE)).headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        answer = await publisher.get("/articles/a", **{"If-None-Match": known})
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", tag)
    assert (await publisher.get("/articles/a", **{"If-None-Match": '"other"'})).status_code == 200
    listed = await publisher.get("/articles")
    assert (await publisher.get("/articles", **{"If-None-Match": listed.headers["etag"]})).status_code == 304


async def test_the_same_story_under_two_guids_would_come_twice(publisher: Publisher) -> None:
    await publisher.call("PUT", "/articles/a", COFFEE)
    before = await cast.everything(publisher.site.db)
    for other in (COFFEE, COFFEE | {"url": None}, {"title": "Else", "url": "http://example.org/coffee/"}):
        answer = await publisher.call("PUT", "/articles/b", other)
        assert (answer.status_code, "under another guid" in answer.json()["detail"]) == (409, True)
    assert await cast.everything(publisher.site.db) == before


async def test_what_is_taken_back_stays_back(publisher: Publisher) -> None:
    site = publisher.site
    await publisher.call("PUT", "/articles/a", COFFEE)
    await release.run(site.db, site.now)
    first = await publisher.call("DELETE", "/articles/a")
    assert (first.status_code, first.json()["state"], first.json()["position"]) == (200, "retracted", 1)
    assert (await publisher.call("DELETE", "/articles/a")).json() == first.json()
    assert (await publisher.call("PUT", "/articles/a", COFFEE)).status_code == 409
    assert (await publisher.call("DELETE", "/articles/nothing")).status_code == 404


async def test_what_is_taken_back_before_its_release_may_be_handed_in_again(publisher: Publisher) -> None:
    site = publisher.site
    later = {"release_at": (site.now + timedelta(days=30)).isoformat()}
    await publisher.call("PUT", "/articles/a", COFFEE | later)
    back = await publisher.call("DELETE", "/articles/a")
    assert (back.json()["state"], back.json()["position"]) == ("retracted", None)
    again = await publisher.call("PUT", "/articles/a", COFFEE | {"title": "Coffee, checked"})
    assert (again.status_code, again.json()["state"], again.json()["title"]) == (200, "waiting", "Coffee, checked")
    await release.run(site.db, site.now)
    told = (await publisher.get("/articles/a")).json()
    assert (told["state"], told["position"]) == ("released", 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"topics": ["politics"]}, "no topic politics"),
        ({"url": "http://[::1/"}, "must be an absolute http or https URL"),
        ({"title": "  ", "url": None, "body": ""}, "has no title"),
    ],
)
async def test_what_makes_no_article_is_refused(publisher: Publisher, change: dict[str, object], words: str) -> None:
    answer = await publisher.call("PUT", "/articles/a", COFFEE | change)
    assert (answer.status_code, words in answer.json()["detail"]) == (422, True)
    assert (await publisher.get("/articles/a")).status_code == 404


async def test_a_link_that_is_none_has_not_the_form(publisher: Publisher) -> None:
    for url in ("javascript:alert(1)", "/coffee", "mailto:anna@example.org"):
        assert (await publisher.call("PUT", "/articles/a", COFFEE | {"url": url})).status_code == 400


async def test_lists_go_on_where_the_page_before_ended(publisher: Publisher) -> None:
    for number in range(5):
        await publisher.call("PUT", f"/articles/{number}", {"title": f"Title {number}"})
    await publisher.call("DELETE", "/articles/2")
    seen, place = [], "/articles?limit=2&state=waiting"
    while place:
        answer = await publisher.get(place)
        page = answer.json()
        seen += [one["guid"] for one in page["items"]]
        assert "body" not in page["items"][0]
        assert ("link" in answer.headers) is bool(page["next"])
        link = answer.headers.get("link", "")
        place = "/articles" + link.partition("<")[2].partition(">")[0] if link else ""
        assert page["next"] is None or f"cursor={page['next']}" in place
    assert seen == ["4", "3", "1", "0"]
    assert (await publisher.get("/articles?cursor=zzzzzzzzzzzz")).status_code == 200
    assert (await publisher.get("/articles?cursor=..")).status_code == 400
