"""Readers through the API: brought in with consent or asked for it, changed, let go, forgotten."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from digest.audience import models, suppression
from tests.support import cast
from tests.web.api.conftest import Publisher

pytestmark = pytest.mark.anyio
AT = "2026-11-01T10:00:00Z"
CONSENT = {"at": AT, "source": "https://example.org/signup"}
BEN = {"email": "ben@example.org", "frequency": "weekly", "timezone": "America/New_York", "topics": ["heart"]}


async def row(publisher: Publisher, id_: int) -> Any:
    return await cast.subscription(publisher.site.db, id_)


async def trail(publisher: Publisher) -> list[tuple[str, str]]:
    return await publisher.site.changes()


async def test_with_a_consent_they_are_readers_at_once(publisher: Publisher) -> None:
    await cast.some_articles(publisher.site.db, publisher.site.publication.id, *[("heart",)] * 4)
    answer = await publisher.call("POST", "/subscribers", BEN | {"consent": CONSENT, "name": "Ben", "locale": "de_AT"})
    found = answer.json()
    assert (answer.status_code, found["state"], found["name"], found["locale"]) == (201, "active", "Ben", "de-AT")
    assert (found["frequency"], found["weekday"], found["timezone"]) == ("weekly", "monday", "America/New_York")
    assert found["consents"] == [{"asked_at": AT, "confirmed_at": AT, "source": CONSENT["source"]}]
    assert answer.headers["location"].endswith(f"/subscribers/{found['id']}")
    stored = await row(publisher, found["id"])
    assert (stored.covered_to, stored.notice_due) == (2, "welcome")
    assert await trail(publisher) == [("asked", "api"), ("confirmed", "api")]
    assert (await publisher.get(f"/subscribers/{found['id']}")).json() == found


async def test_without_one_they_are_asked_once_a_day_at_most(publisher: Publisher) -> None:
    first = await publisher.call("POST", "/subscribers", BEN)
    assert (first.status_code, first.json()["state"], first.json()["consents"]) == (201, "pending", [])
    id_ = first.json()["id"]
    assert (await row(publisher, id_)).notice_due == "confirm"
    publisher.site.reader = id_
    await publisher.site.set(notice_due=None)
    again = await publisher.call("POST", "/subscribers", BEN)
    assert (again.status_code, again.json(), (await row(publisher, id_)).notice_due) == (200, first.json(), None)
    publisher.site.later(days=1)
    await publisher.call("POST", "/subscribers", BEN)
    assert (await row(publisher, id_)).notice_due == "confirm"
    confirmed = await publisher.call("POST", "/subscribers", BEN | {"consent": CONSENT})
    assert (confirmed.status_code, confirmed.json()["state"]) == (200, "active")


async def test_the_failing_are_asked_once_a_day_at_most_too(publisher: Publisher) -> None:
    site = publisher.site
    for hours, is_asked in ((0, True), (1, False), (23, True)):
        await site.set(state=models.SubscriptionState.FAILING, notice_due=None)
        site.later(hours=hours)
        await publisher.call("POST", "/subscribers", {"email": "anna@example.org"})
        assert ((await site.row()).notice_due == "confirm") is is_asked
    assert await trail(publisher) == [("asked", "api")] * 2


async def test_a_consent_does_not_confirm_what_somebody_typed_into_a_form(publisher: Publisher) -> None:
    ben = (await publisher.call("POST", "/subscribers", BEN)).json()
    typed = {"subscription_id": ben["id"], "asked_at": publisher.site.now, "page": "https://stranger.example/form"}
    async with publisher.site.db.transaction() as connection:
        await connection.execute(sa.insert(models.Consent).values(**typed, wording="", origin_hash="x"))
    found = (await publisher.call("POST", "/subscribers", BEN | {"consent": CONSENT})).json()
    assert found["consents"] == [{"asked_at": AT, "confirmed_at": AT, "source": CONSENT["source"]}]


async def test_brought_five_times_at_once_they_are_one_reader(publisher: Publisher) -> None:
    ben = BEN | {"consent": CONSENT}
    answers = await asyncio.gather(*(publisher.call("POST", "/subscribers", ben) for _ in range(5)))
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert {(answer.json()["id"], answer.json()["state"]) for answer in answers} == {
        (answers[0].json()["id"], "active")
    }


async def test_who_is_a_reader_already_stays_as_they_are(publisher: Publisher) -> None:
    before = await row(publisher, publisher.site.reader)
    anna = {"email": "Anna@Example.org", "frequency": "monthly", "consent": CONSENT}
    answer = await publisher.call("POST", "/subscribers", anna)
    assert (answer.status_code, answer.json()["frequency"]) == (200, "daily")
    assert await row(publisher, publisher.site.reader) == before


async def test_a_consent_from_before_they_left_brings_nobody_back(publisher: Publisher) -> None:
    site = publisher.site
    await publisher.call("POST", f"/subscribers/{site.reader}/unsubscribe")
    anna = {"email": "anna@example.org", "consent": CONSENT}
    refused = await publisher.call("POST", "/subscribers", anna)
    assert (refused.status_code, "unsubscribed on 2026-11-02" in refused.json()["detail"]) == (409, True)
    site.later(days=2)
    newer = {"at": (site.now - timedelta(hours=1)).isoformat(), "source": "at the counter"}
    back = await publisher.call("POST", "/subscribers", anna | {"consent": newer})
    assert (back.status_code, back.json()["state"], back.json()["left_at"]) == (200, "active", None)
    assert (await row(publisher, site.reader)).generation == 2


@pytest.mark.parametrize("consent", [{}, {"consent": CONSENT}])
async def test_of_many_who_bring_one_reader_at_once_one_does(publisher: Publisher, consent: dict[str, object]) -> None:
    calls = (publisher.call("POST", "/subscribers", BEN | consent) for _ in range(8))
    answers = await asyncio.gather(*calls)
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert [what for what, _ in await publisher.site.changes()] == ["asked", "confirmed"][: 1 + len(consent)]


async def test_a_consent_from_before_they_were_erased_brings_nobody_back(publisher: Publisher) -> None:
    site = publisher.site
    await publisher.call("DELETE", f"/subscribers/{site.reader}")
    anna = {"email": "anna@example.org", "consent": CONSENT}
    refused = await publisher.call("POST", "/subscribers", anna)
    assert (refused.status_code, "erased on 2026-11-02" in refused.json()["detail"]) == (409, True)
    assert "anna" not in str(await cast.everything(site.db))
    site.later(days=2)
    newer = {"at": (site.now - timedelta(hours=1)).isoformat(), "source": "at the counter"}
    back = await publisher.call("POST", "/subscribers", anna | {"consent": newer})
    assert (back.status_code, back.json()["state"]) == (201, "active")


@pytest.mark.parametrize("reason", ["refused", "complained", "operator", "erased"])
async def test_no_consent_reaches_past_a_suppression(publisher: Publisher, reason: str) -> None:
    site = publisher.site
    async with site.db.transaction() as connection:
        why = models.SuppressionReason(reason)
        await suppression.add(connection, cast.HASHER, "ben@example.org", reason=why, now=site.now)
    answer = await publisher.call("POST", "/subscribers", BEN | {"consent": CONSENT})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"email": "nobody"}, "#/email"),
        ({"frequency": "fortnightly"}, "#/frequency"),
        ({"topics": ["politics"]}, "#/topics"),
        ({"timezone": "Berlin"}, "#/timezone"),
        ({"locale": "xx-nowhere"}, "#/locale"),
        ({"consent": {"at": "2027-01-01T00:00:00Z", "source": "x"}}, "#/consent/at"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_place(
    publisher: Publisher, change: dict[str, object], place: str
) -> None:
    answer = await publisher.call("POST", "/subscribers", BEN | change)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, place)
    assert await trail(publisher) == []


async def test_readers_are_found_by_address_without_it_in_a_url(publisher: Publisher) -> None:
    found = await publisher.call("POST", "/subscribers/lookup", {"email": "ANNA@example.org"})
    assert (found.status_code, found.json()["id"]) == (200, publisher.site.reader)
    unknown = await publisher.call("POST", "/subscribers/lookup", {"email": "nobody@example.org"})
    assert (unknown.status_code, unknown.json()["detail"]) == (404, "there is no reader with this address")


async def test_readers_are_listed_by_state_the_newest_first(publisher: Publisher) -> None:
    ids = [publisher.site.reader]
    for name in ("ben", "cleo", "dan"):
        ids.append((await publisher.call("POST", "/subscribers", {"email": f"{name}@example.org"})).json()["id"])
    page = (await publisher.get("/subscribers?limit=2")).json()
    rest = (await publisher.get(f"/subscribers?limit=2&cursor={page['next']}")).json()
    assert [one["id"] for one in page["items"] + rest["items"]] == ids[::-1]
    assert rest["next"] is None
    assert [one["email"] for one in (await publisher.get("/subscribers?state=active")).json()["items"]] == [
        "anna@example.org"
    ]


async def test_a_choice_is_changed_in_part_and_the_rest_stays(publisher: Publisher) -> None:
    place = f"/subscribers/{publisher.site.reader}"
    await publisher.call("PATCH", place, {"frequency": "weekly", "weekday": "friday", "send_at": "18:45"})
    changed = (
        await publisher.call("PATCH", place, {"topics": ["lungs", "heart"], "locale": "fr", "layout": "text"})
    ).json()
    assert (changed["frequency"], changed["weekday"], changed["send_at"]) == ("weekly", "friday", "18:45")
    assert (changed["topics"], changed["locale"], changed["layout"]) == (["heart", "lungs"], "fr", "text")
    nothing = {"topics": [], "locale": None, "layout": None}
    back = (await publisher.call("PATCH", place, nothing | {"frequency": "instant"})).json()
    assert [back[name] for name in ("topics", "locale", "layout", "send_at", "timezone")] == [None] * 5
    assert {door for _, door in await trail(publisher)} == {"api"}
    before = await trail(publisher)
    assert (await publisher.call("PATCH", place, {})).json() == back
    assert await trail(publisher) == before


async def test_a_pause_ends_when_it_says_or_when_it_is_ended(publisher: Publisher) -> None:
    place = f"/subscribers/{publisher.site.reader}"
    paused = await publisher.call("PATCH", place, {"paused_until": "2026-12-01T08:00:00+01:00"})
    assert paused.json()["paused_until"] == "2026-12-01T07:00:00Z"
    assert (await publisher.call("PATCH", place, {"paused_until": None})).json()["paused_until"] is None
    past = await publisher.call("PATCH", place, {"paused_until": "2026-11-02T05:59:00Z"})
    assert (past.status_code, past.json()["errors"][0]["pointer"]) == (422, "#/paused_until")
    assert [what for what, _ in await trail(publisher)] == ["paused", "resumed"]


async def test_a_change_waits_for_who_changed_it_before(publisher: Publisher) -> None:
    place = f"/subscribers/{publisher.site.reader}"
    tag = (await publisher.get(place)).headers["etag"]
    assert (await publisher.call("PATCH", place, {"locale": "fr"}, headers={"If-Match": tag})).status_code == 200
    for method, path in (("PATCH", place), ("POST", f"{place}/unsubscribe"), ("DELETE", place)):
        answer = await publisher.call(method, path, {} if method == "PATCH" else None, headers={"If-Match": tag})
        assert answer.status_code == 412
    assert (await row(publisher, publisher.site.reader)).state is models.SubscriptionState.ACTIVE


async def test_changes_at_the_same_moment_all_count(publisher: Publisher) -> None:
    place = f"/subscribers/{publisher.site.reader}"
    for _ in range(3):
        await publisher.call("PATCH", place, {"frequency": "daily", "timezone": "Europe/Berlin", "topics": []})
        changes = (
            {"topics": ["heart"]},
            {"frequency": "monthly"},
            {"timezone": "Asia/Tokyo"},
            {"frequency": "monthly"},
        )
        answers = await asyncio.gather(*(publisher.call("PATCH", place, change) for change in changes))
        assert [answer.status_code for answer in answers] == [200] * 4
        found = (await publisher.get(place)).json()
        assert (found["topics"], found["frequency"], found["timezone"]) == (["heart"], "monthly", "Asia/Tokyo")


async def test_to_leave_twice_is_to_leave_once(publisher: Publisher) -> None:
    place = f"/subscribers/{publisher.site.reader}"
    first = await publisher.call("POST", f"{place}/unsubscribe")
    assert (first.status_code, first.json()["state"], first.json()["left_at"]) == (
        200,
        "unsubscribed",
        "2026-11-02T06:00:00Z",
    )
    assert (await publisher.call("POST", f"{place}/unsubscribe")).json() == first.json()
    assert await trail(publisher) == [("left", "api")]
    assert (await publisher.call("PATCH", place, {"frequency": "weekly"})).status_code == 409


async def test_the_erased_are_forgotten_with_all_they_agreed_to(publisher: Publisher) -> None:
    site = publisher.site
    headers = {"Idempotency-Key": "one"}
    id_ = (await publisher.call("POST", "/subscribers", BEN | {"consent": CONSENT}, headers=headers)).json()["id"]
    await publisher.call("POST", "/subscribers", {"email": "cleo@example.org"}, headers={"Idempotency-Key": "two"})
    assert (await publisher.call("DELETE", f"/subscribers/{id_}")).status_code == 204
    assert (await publisher.call("DELETE", f"/subscribers/{id_}")).status_code == 404
    everything = await cast.everything(site.db)
    assert "ben@example.org" not in str(everything)
    assert everything["consents"] == []
    assert len(everything["suppressions"]) == 1
    assert len(everything["api_answers"]) == 1, "answers about others stay"


async def test_a_bound_key_erases_nobody_who_reads_elsewhere(publisher: Publisher) -> None:
    site = publisher.site
    other = await cast.a_publication(site.db, slug="other")
    bound = await publisher.with_key("subscribers:erase", publication="mias-feed")
    theirs = dict((await row(publisher, site.reader))._mapping) | {"publication_id": other.id}
    theirs.pop("id")
    async with site.db.transaction() as connection:
        await connection.execute(sa.insert(models.Subscription).values(theirs))
    assert (await bound.call("DELETE", f"/subscribers/{site.reader}")).status_code == 409
    assert (await publisher.call("DELETE", f"/subscribers/{site.reader}")).status_code == 204


async def test_a_reader_of_another_publication_is_nobody_here(publisher: Publisher) -> None:
    await cast.a_publication(publisher.site.db, slug="other")
    elsewhere = f"/api/v1/publications/other/subscribers/{publisher.site.reader}"
    for method in ("GET", "PATCH", "DELETE"):
        answer = await publisher.call(method, elsewhere, {} if method == "PATCH" else None)
        assert answer.status_code == 404
