"""What holds for every door of the API: keys, scopes, allowances, bodies, conditions, problems."""

import asyncio
import itertools
import re

import httpx
import pytest
import sqlalchemy as sa
import structlog

from digest import database
from digest.web import app
from digest.web.api import allowance, keys, problems, route, routes
from digest.web.api.models import ApiKey
from tests.support import cast
from tests.web.api.conftest import HOME, Publisher, a_key
from tests.web.conftest import Site

pytestmark = pytest.mark.anyio
DOORS = routes.LINES


def address(line: routes.Line) -> str:
    path = line.path.replace("{publication}", "mias-feed").replace("{id:number}", "1").replace("{guid:path}", "a/b")
    return route.PREFIX + path


async def knock(publisher: Publisher, line: routes.Line, **headers: str) -> httpx.Response:
    """A request that would be malformed: what is asked before the body is read must come first."""
    return await publisher.call(line.method, address(line), headers=headers)


async def test_every_door_asks_for_a_key(site: Site) -> None:
    before = await cast.everything(site.db)
    unknown = "digest_" + "0" * 8 + "_" + "0" * 64
    given_ones = ("", "Bearer", f"Bearer {unknown}", f"Basic {unknown}", "Bearer digest_\xfc")
    for line, given in itertools.product(DOORS, given_ones):
        headers = {"Authorization": given.encode("latin-1")} if given else {}
        answer = await site.client.request(line.method, address(line), headers=headers)
        assert (answer.status_code, answer.headers["content-type"]) == (401, problems.MEDIA_TYPE)
        assert answer.headers["www-authenticate"] == 'Bearer realm="digest"'
        assert answer.json()["type"] == "https://digest.example.org/api/v1/problems/unauthorized"
    assert await cast.everything(site.db) == before


async def test_every_door_asks_for_its_scope(publisher: Publisher) -> None:
    for line in (line for line in DOORS if line.scope):
        others = await publisher.with_key(*(scope for scope in keys.SCOPES if scope != line.scope))
        answer = await knock(others, line)
        assert (answer.status_code, answer.json()["title"]) == (403, "The key does not open this"), line
        assert str(line.scope) in answer.json()["detail"]


async def test_every_door_counts_and_says_what_is_left(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    take, few = allowance.Allowance.take, allowance.Allowance("2/hour")
    monkeypatch.setattr(allowance.Allowance, "take", lambda _self, key: take(few, key))
    for line in DOORS:
        mine = await publisher.with_key()
        first, _, third = [await knock(mine, line) for _ in range(3)]
        assert first.headers["ratelimit-policy"] == '"key";q=2;w=3600'
        assert re.fullmatch(r'"key";r=1;t=[0-9]+', first.headers["ratelimit"])
        assert (third.status_code, third.headers["content-type"]) == (429, problems.MEDIA_TYPE)
        assert 0 < int(third.headers["retry-after"]) <= 3600
        assert re.fullmatch(r'"key";r=0;t=[0-9]+', third.headers["ratelimit"])


BODIES = {
    "/lookup": {"email": "anna@example.org"},
    "/subscribers": {"email": "ben@example.org"},
    "/suppressions": {"email": "ben@example.org"},
    "{guid:path}": {"title": "A title"},
}


async def well_formed(publisher: Publisher, line: routes.Line, path: str) -> httpx.Response:
    if line.path.endswith("/import"):
        return await publisher.call("POST", path, content="email\n", headers={"Content-Type": "text/csv"})
    body = next((body for end, body in BODIES.items() if line.path.endswith(end)), {})
    return await publisher.call(line.method, path, body if line.method in ("POST", "PUT", "PATCH") else None)


async def test_a_bound_key_opens_its_publication_alone(publisher: Publisher) -> None:
    site = publisher.site
    await cast.a_publication(site.db, slug="other")
    scopes = [scope for scope in keys.SCOPES if not scope.startswith("suppressions:")]
    bound = await publisher.with_key(*scopes, publication="other")
    await bound.get("/api/v1/key")  # notes the use of the key
    before = await cast.everything(site.db)
    for line in (line for line in DOORS if "{publication}" in line.path):
        for slug in ("mias-feed", "nobodys"):
            answer = await well_formed(bound, line, address(line).replace("mias-feed", slug))
            assert (answer.status_code, answer.json()["detail"]) == (
                403,
                "this key is bound to the publication 'other'",
            )
    assert await cast.everything(site.db) == before


async def test_what_is_not_there_is_not_found(publisher: Publisher) -> None:
    for line in (line for line in DOORS if "{" in line.path):
        places = [address(line).replace("mias-feed", "nobodys")] if "{publication}" in line.path else []
        places += [address(line).replace("/1", "/999")] if "{id:number}" in line.path else []
        for place in places:
            answer = await well_formed(publisher, line, place)
            assert (answer.status_code, answer.json()["title"]) == (404, "Not found"), (line, place)


async def test_a_bound_key_lists_its_publication_alone(publisher: Publisher) -> None:
    await cast.a_publication(publisher.site.db, slug="other")
    bound = await publisher.with_key("articles:read", publication="other")
    slugs = [one["slug"] for one in (await bound.get("/api/v1/publications")).json()["items"]]
    everything = [one["slug"] for one in (await publisher.get("/api/v1/publications")).json()["items"]]
    assert (slugs, everything) == (["other"], ["mias-feed", "other"])


async def test_revoked_expired_and_wrong_keys_look_like_unknown_ones(publisher: Publisher) -> None:
    site = publisher.site
    brief = await publisher.with_key("articles:read", days=1)
    ended = await publisher.with_key("articles:read")
    async with site.db.transaction() as connection:
        assert await keys.revoke(connection, ended.key.split("_")[1], site.now)
    wrong = Publisher(site, publisher.key[:-1] + ("0" if publisher.key[-1] != "0" else "1"))
    assert (await brief.get("/api/v1/key")).status_code == 200
    site.later(days=1)
    answers = [await one.get("/api/v1/key") for one in (brief, ended, wrong, Publisher(site, "digest_x"))]
    assert {(answer.status_code, answer.text) for answer in answers} == {(401, answers[0].text)}


async def test_a_key_is_kept_as_a_hash_and_its_use_is_noted_by_the_hour(publisher: Publisher) -> None:
    site, secret = publisher.site, publisher.key.rpartition("_")[2]
    assert secret not in str(await cast.everything(site.db))
    first = site.now
    for minutes in (0, 30, 40):
        site.later(minutes=minutes)
        assert (await publisher.get("/api/v1/key")).status_code == 200
        async with site.db.reading() as connection:
            used = await connection.scalar(sa.select(ApiKey.last_used_at))
        assert used == (first if minutes < 40 else site.now)


async def test_the_key_tells_what_it_opens(publisher: Publisher) -> None:
    found = (await (await publisher.with_key("articles:write", publication="mias-feed")).get("/api/v1/key")).json()
    assert (found["scopes"], found["publication"]) == (["articles:write"], "mias-feed")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"[" * 100_000, "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b'{"title": 1' + b"0" * 5000 + b"}", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"", "headers": {"Content-Type": "application/json"}}, 400),
        ({"content": b"title=x"}, 415),
        ({"content": b"{}", "headers": {"Content-Type": "text/plain"}}, 415),
        ({"body": {"title": "x", "colour": "red"}}, 400),
        ({"body": {"title": "a\x00b"}}, 400),
        ({"content": b'{"title": "\\ud800"}', "headers": {"Content-Type": "application/json"}}, 400),
        ({"body": {"title": "x" * 2_100_000}}, 413),
        ({"body": {"title": "x", "published_at": "0001-01-01T00:00:00+14:00"}}, 422),
        ({"body": {"title": "x", "published_at": "2026-11-30T00:00:00"}}, 422),
        ({"body": {"title": "x", "published_at": 1796000000}}, 422),
        ({"body": {"title": "x", "published_at": "1796000000"}}, 422),
    ],
)
async def test_bad_bodies_are_refused_in_words(publisher: Publisher, sent: dict[str, object], status: int) -> None:
    answer = await publisher.call("PUT", "/articles/a", **sent)  # type: ignore[arg-type]
    document = answer.json()
    assert (answer.status_code, document["status"], document["instance"]) == (status, status, f"{HOME}/articles/a")
    assert answer.headers["content-type"] == problems.MEDIA_TYPE
    assert answer.headers["ratelimit"]


async def test_a_problem_points_at_what_is_wrong(publisher: Publisher) -> None:
    body = {"title": "", "related": [{"url": "https://example.org/", "a/b~": 1}]}
    answer = (await publisher.call("PUT", "/articles/a", body)).json()
    assert {fault["pointer"] for fault in answer["errors"]} == {"#/title", "#/related/0/a~1b~0"}
    query = (await publisher.get("/articles?limit=0&state=lost")).json()
    assert {fault["parameter"] for fault in query["errors"]} == {"limit", "state"}
    assert query["type"].endswith("/malformed")


async def test_what_a_problem_is_can_be_read(site: Site) -> None:
    for name, kind in problems.KINDS.items():
        found = (await site.get(f"/api/v1/problems/{name}")).json()
        assert (found["title"], found["status"]) == (kind.title, kind.status)
    assert (await site.get("/api/v1/problems/nothing")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/a%0Ab", 404),
        ("POST", "/key", 405),
        pytest.param("GET", f"/publications/mias-feed/editions/{'9' * 5000}", 404, id="of many digits"),
        pytest.param("DELETE", f"/suppressions/{'9' * 5000}", 404, id="of many digits, to delete"),
    ],
)
async def test_unknown_places_and_methods_are_problems_too(site: Site, method: str, path: str, status: int) -> None:
    answer = await site.client.request(method, f"/api/v1{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, problems.MEDIA_TYPE)


async def test_a_refused_method_is_told_which_ones_there_are(publisher: Publisher) -> None:
    for line in DOORS:
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - {
            other.method for other in DOORS if other.path == line.path
        }:
            answer = await publisher.call(method, address(line))
            allowed = {other.method for other in DOORS if other.path == line.path}
            allowed |= {"HEAD"} if "GET" in allowed else set()
            assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (405, allowed), (method, line)


async def test_head_is_get_without_a_body(publisher: Publisher) -> None:
    for path in ("/api/v1/key", "/articles", "/articles/nothing", "/api/v1/openapi.json"):
        whole = await publisher.get(path)
        head = await publisher.call("HEAD", path)
        assert (head.status_code, head.content) == (whole.status_code, b"")
        assert head.headers["content-length"] == whole.headers["content-length"]


async def test_no_other_site_may_call_from_a_browser(publisher: Publisher) -> None:
    answer = await publisher.get("/api/v1/key", Origin="https://elsewhere.example")
    assert not [name for name in answer.headers if name.startswith("access-control")]
    preflight = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "GET"}
    asked = await publisher.site.client.options("/api/v1/key", headers=preflight)
    assert (asked.status_code, "access-control-allow-origin" in asked.headers) == (405, False)


async def test_no_path_reaches_the_log_as_it_was_sent(publisher: Publisher) -> None:
    with structlog.testing.capture_logs() as lines:
        await publisher.get("/articles/https://example.org/secret")
    assert [line["path"] for line in lines] == ["/api/v1/publications/{publication}/articles/{guid}"]
    assert publisher.key not in str(lines)


async def test_a_body_that_never_comes_is_given_up(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "BODY_SECONDS", 0.05)

    async def slow():  # type: ignore[no-untyped-def]
        yield b"{"
        await asyncio.sleep(0.5)
        yield b"}"

    answer = await publisher.call("PUT", "/articles/a", content=slow(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 408


async def test_our_own_mistakes_are_problems_without_details(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = publisher.site

    async def broken(*_: object) -> None:
        raise RuntimeError("a secret detail")

    async def gone(*_: object) -> None:
        raise database.DatabaseError("the database went away")

    transport = httpx.ASGITransport(app.create(site.parts()), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for act, status, name in ((broken, 500, "broken"), (gone, 503, "unavailable")):
            monkeypatch.setattr(keys, "find", act)
            answer = await client.get("/api/v1/key", headers={"Authorization": "Bearer x"})
            assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (status, name)
            assert "secret" not in answer.text


async def test_a_key_is_made_for_what_it_says(site: Site) -> None:
    for scopes, wish, words in (
        ((), {"name": "x"}, "at least one --scope"),
        (("articles:eat",), {"name": "x"}, "'articles:eat' is no scope"),
        (("articles:read",), {"name": " "}, "a name"),
        (("suppressions:read",), {"name": "x", "publication": "mias-feed"}, "cannot open them"),
    ):
        async with site.db.transaction() as connection:
            with pytest.raises(keys.ApiKeyError, match=words):
                await keys.make(connection, keys.Wish(scopes=scopes, **wish), site.now)
    assert keys.FORM.fullmatch(await a_key(site))
