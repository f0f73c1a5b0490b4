"""A request sent twice with one Idempotency-Key is done once, and answered twice."""

import asyncio
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import database
from digest.audience import models
from digest.web.api import once, problems
from digest.web.api.models import ApiAnswer
from tests.web.api.conftest import Publisher

pytestmark = pytest.mark.anyio
BEN = {"email": "ben@example.org", "frequency": "weekly"}


async def ask(publisher: Publisher, body: dict[str, object] = BEN, name: str = "one", path: str = "/subscribers"):  # type: ignore[no-untyped-def]
    return await publisher.call("POST", path, body, headers={once.HEADER: name})


async def count(db: database.Database, model: type[database.Base]) -> int:
    async with db.reading() as connection:
        return int(await connection.scalar(sa.select(sa.func.count()).select_from(model)) or 0)


async def test_the_second_is_answered_as_the_first_was(publisher: Publisher) -> None:
    first = await ask(publisher)
    publisher.site.later(hours=23)
    second = await ask(publisher)
    assert (first.status_code, once.REPLAYED in first.headers) == (201, False)
    assert (second.status_code, second.content) == (201, first.content)
    assert (second.headers[once.REPLAYED], second.headers["location"]) == ("true", first.headers["location"])
    assert second.headers["etag"] == first.headers["etag"]
    assert second.headers["ratelimit"]


async def test_a_refusal_is_kept_too(publisher: Publisher) -> None:
    bad = {"email": "nobody"}
    first, second = await ask(publisher, bad), await ask(publisher, bad)
    assert [first.status_code, second.status_code] == [422, 422]
    assert (second.headers["content-type"], second.headers[once.REPLAYED]) == (problems.MEDIA_TYPE, "true")


async def test_another_request_needs_another_key(publisher: Publisher) -> None:
    await ask(publisher)
    for other in (await ask(publisher, BEN | {"name": "B"}), await ask(publisher, {}, path="/editions/send-now")):
        assert (other.status_code, other.json()["title"]) == (422, "Idempotency-Key used before")
    other_key = await publisher.with_key()
    assert (await ask(other_key, {"email": "cleo@example.org"})).status_code == 201


async def test_after_a_day_the_name_is_free_again(publisher: Publisher) -> None:
    await ask(publisher)
    publisher.site.later(hours=24)
    assert once.REPLAYED not in (await ask(publisher)).headers
    assert await once.prune(publisher.site.db, publisher.site.now + timedelta(hours=23)) == 0
    assert await once.prune(publisher.site.db, publisher.site.now + timedelta(hours=24)) == 1
    assert await count(publisher.site.db, ApiAnswer) == 0


async def test_of_many_at_once_one_acts(publisher: Publisher) -> None:
    answers = await asyncio.gather(*(ask(publisher) for _ in range(8)))
    acted = [answer for answer in answers if answer.status_code == 201 and once.REPLAYED not in answer.headers]
    waiting = [answer for answer in answers if answer.status_code == 409]
    assert len(acted) == 1
    assert all("still at work" in answer.json()["detail"] for answer in waiting)
    assert await count(publisher.site.db, models.Change) == 1


async def test_who_died_at_work_does_not_block_the_name_for_long(publisher: Publisher) -> None:
    await ask(publisher)
    async with publisher.site.db.transaction() as connection:
        await connection.execute(sa.update(ApiAnswer).values(status=None))
    assert (await ask(publisher)).status_code == 409
    publisher.site.later(minutes=5)
    assert (await ask(publisher)).status_code == 200


@pytest.mark.parametrize("name", ["", "x" * 256, "\xfc", "a\tb"])
async def test_a_name_has_a_form(publisher: Publisher, name: str) -> None:
    headers = {once.HEADER: name.encode("latin-1")}
    assert (await publisher.call("POST", "/subscribers", BEN, headers=headers)).status_code == 400


async def test_reads_and_puts_need_none(publisher: Publisher) -> None:
    headers = {once.HEADER: "one"}
    await publisher.call("PUT", "/articles/a", {"title": "A title"}, headers=headers)
    await publisher.call("GET", "/articles/a", headers=headers)
    assert await count(publisher.site.db, ApiAnswer) == 0
