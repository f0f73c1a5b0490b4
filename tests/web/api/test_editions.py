"""Editions through the API: planned now, counted, paused, resumed, cancelled."""

from typing import Any

import pytest
import sqlalchemy as sa

from digest.editions import models as editions
from digest.outbox import models as outbox
from tests.support import cast
from tests.web.api.conftest import Publisher

pytestmark = pytest.mark.anyio


async def planned(publisher: Publisher, **body: Any) -> list[int]:
    answer = await publisher.call("POST", "/editions/send-now", body)
    assert answer.status_code == 202
    found: list[int] = answer.json()["editions"]
    return found


async def test_send_now_plans_for_those_who_read(publisher: Publisher) -> None:
    assert await planned(publisher, frequency="weekly") == []
    [id_] = await planned(publisher, frequency="daily")
    found = (await publisher.get(f"/editions/{id_}")).json()
    assert (found["state"], found["frequency"], found["slot"].startswith("now-")) == ("planned", "daily", True)
    assert (await publisher.call("POST", "/editions/send-now", {"frequency": "hourly"})).status_code == 400


async def test_what_became_of_the_mails_is_counted_from_the_rows(publisher: Publisher) -> None:
    site = publisher.site
    [id_] = await planned(publisher)
    states = [("sent", None)] * 3 + [("deferred", "greylisted: try later"), ("failed", "unknown address: no such user")]
    async with site.db.transaction() as connection:
        for state, reason in states:
            values = {"publication_id": site.publication.id, "subscription_id": 100, "edition_id": id_}
            values |= {"state": outbox.DeliveryState(state), "reason": reason, "created_at": site.now}
            values["finished_at"] = site.now if state == "sent" else None
            values["subscription_id"] += len((await connection.execute(sa.select(outbox.Delivery.id))).all())
            await connection.execute(sa.insert(outbox.Delivery).values(values))
    found = (await publisher.get(f"/editions/{id_}")).json()
    assert found["deliveries"] == {"sent": 3, "deferred": 1, "failed": 1}
    assert (found["total"], found["done"], found["percent"], found["per_second"]) == (5, 4, 80.0, 3.0)
    assert found["troubles"] == {"greylisted": 1, "unknown address": 1}
    [listed] = (await publisher.get("/editions")).json()["items"]
    assert {name: found[name] for name in listed} == listed


async def test_one_is_paused_resumed_and_cancelled(publisher: Publisher) -> None:
    [id_] = await planned(publisher)
    for act, state, is_paused in (
        ("pause", "planned", True),
        ("pause", "planned", True),
        ("resume", "planned", False),
        ("cancel", "cancelled", False),
        ("cancel", "cancelled", False),
    ):
        found = await publisher.call("POST", f"/editions/{id_}/{act}")
        assert (found.status_code, found.json()["state"]) == (200, state)
        assert (found.json()["paused_at"] is not None) is is_paused
    late = await publisher.call("POST", f"/editions/{id_}/pause")
    assert (late.status_code, "is cancelled" in late.json()["detail"]) == (409, True)


async def test_one_that_is_held_is_let_go(publisher: Publisher) -> None:
    [id_] = await planned(publisher)
    refused = await publisher.call("POST", f"/editions/{id_}/release")
    assert (refused.status_code, "planned" in refused.json()["detail"]) == (409, True)
    async with publisher.site.db.transaction() as connection:
        await connection.execute(sa.update(editions.Edition).values(state=editions.EditionState.HELD, reason="a flood"))
    found = await publisher.call("POST", f"/editions/{id_}/release")
    assert (found.status_code, found.json()["state"]) == (200, "planned")


@pytest.mark.parametrize("act", ["release", "pause", "resume", "cancel"])
async def test_a_word_on_one_that_changed_meanwhile_does_nothing(publisher: Publisher, act: str) -> None:
    [id_] = await planned(publisher)
    answer = await publisher.call("POST", f"/editions/{id_}/{act}", headers={"If-Match": '"old"'})
    assert answer.status_code == 412
    found = (await publisher.get(f"/editions/{id_}")).json()
    assert (found["state"], found["paused_at"]) == ("planned", None)


async def test_they_are_listed_by_state_page_by_page(publisher: Publisher) -> None:
    ids = [(await planned(publisher))[0] for _ in range(3)]
    await publisher.call("POST", f"/editions/{ids[1]}/cancel")
    page = (await publisher.get("/editions?limit=1&state=planned")).json()
    rest = (await publisher.get(f"/editions?limit=1&state=planned&cursor={page['next']}")).json()
    assert [one["id"] for one in page["items"] + rest["items"]] == [ids[2], ids[0]]
    assert (await publisher.get("/editions?limit=51")).status_code == 400


async def test_one_of_another_publication_is_not_here(publisher: Publisher) -> None:
    [id_] = await planned(publisher)
    await cast.a_publication(publisher.site.db, slug="other")
    for method, end in (("GET", ""), ("POST", "/pause"), ("POST", "/cancel")):
        answer = await publisher.call(method, f"/api/v1/publications/other/editions/{id_}{end}")
        assert answer.status_code == 404
