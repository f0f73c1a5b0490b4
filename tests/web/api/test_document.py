"""The OpenAPI document: open to everybody, whole, and with examples that work as they stand."""

from typing import Any

import pytest

from digest.web.api import keys, routes
from tests.web.api.conftest import Publisher
from tests.web.conftest import Site

pytestmark = pytest.mark.anyio


async def document(site: Site) -> dict[str, Any]:
    found: dict[str, Any] = (await site.get("/api/v1/openapi.json")).json()
    return found


async def test_it_is_open_and_says_where_it_is(site: Site) -> None:
    found = await document(site)
    assert found["openapi"] == "3.1.0"
    assert found["servers"] == [{"url": "https://digest.example.org/api/v1"}]
    assert found["components"]["securitySchemes"]["key"]["scheme"] == "bearer"


async def test_every_door_is_in_it_with_its_scope_and_its_problems(site: Site) -> None:
    found = await document(site)
    doors = [(path, method, door) for path, doors in found["paths"].items() for method, door in doors.items()]
    assert len(doors) == len(routes.LINES) == len({door["operationId"] for _, _, door in doors})
    for path, method, door in doors:
        assert door["summary"], path
        assert set(door["security"][0]["key"]) <= set(keys.SCOPES)
        assert {tag["name"] for tag in found["tags"]} >= set(door["tags"])
        for status, said in door["responses"].items():
            if int(status) >= 400:
                assert list(said["content"]) == ["application/problem+json"]
            elif status not in ("204", "304"):
                assert said["content"], (path, method, status)


async def test_every_scope_opens_something(site: Site) -> None:
    found = await document(site)
    named = {
        scope for doors in found["paths"].values() for door in doors.values() for scope in door["security"][0]["key"]
    }
    assert named == set(keys.SCOPES)


async def test_every_reference_leads_somewhere(site: Site) -> None:
    found = await document(site)

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if isinstance(part.get("$ref"), str) else []
            return own + [one for value in part.values() for one in references(value)]
        return [one for value in part for one in references(value)] if isinstance(part, list) else []

    for reference in set(references(found)):
        here: Any = found
        for name in reference.removeprefix("#/").split("/"):
            here = here[name]
    assert "HTTPValidationError" not in found["components"]["schemas"]


async def test_the_examples_work_as_they_stand(publisher: Publisher) -> None:
    shapes = (await document(publisher.site))["components"]["schemas"]
    publisher.site.later(days=30)
    article = shapes["ArticleGiven"]["examples"][0] | {"topics": []}
    assert (await publisher.call("PUT", "/articles/coffee", article)).status_code == 201
    reader = await publisher.call(
        "POST", "/subscribers", shapes["SubscriberGiven"]["examples"][0] | {"email": "ben@b.org"}
    )
    assert (reader.status_code, reader.json()["state"]) == (201, "active")
    place = f"/subscribers/{reader.json()['id']}"
    assert (await publisher.call("PATCH", place, shapes["Changes"]["examples"][0])).status_code == 200
