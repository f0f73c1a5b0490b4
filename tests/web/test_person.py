"""What a person may do with all we keep of them: take it along, or have it forgotten."""

import asyncio
import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import publications
from digest.audience import entrance, models, signup, suppression
from digest.editions import models as editions
from digest.outbox import disclosure, models as outbox
from digest.run import bugs
from tests.support import cast, table

pytestmark = pytest.mark.anyio
State = models.SubscriptionState


def manage(site, page=""):
    return f"/manage/{site.signer.manage_token(site.reader, 1, site.now)}{page}"


async def a_history(site, count=3):
    """So many digests, the first by another Cadence, and a notice."""
    await site.press(f"/less/{site.token()}", frequency="weekly")
    cadences = [row.id for row in await table.rows(site.db, models.Cadence)]
    for number in range(count):
        at = site.now + timedelta(days=number)
        values = {"publication_id": site.publication.id, "upto": number, "due_at": at, "planned_at": at}
        values |= {"cadence_id": cadences[0 if number == 0 else -1], "slot": f"2026-11-{number + 1:02}"}
        edition = await table.add(site.db, editions.Edition, **values)
        await a_mail(site, edition_id=edition, created_at=at)
    await a_mail(site, kind="welcome", edition_id=None, created_at=site.now)
    await table.add(site.db, models.Consent, subscription_id=site.reader, **AGREED)


AGREED = {
    "asked_at": cast.NOW,
    "confirmed_at": cast.NOW,
    "page": "https://example.org/news",
    "wording": "abc",
    "origin_hash": "f00",
}


async def a_mail(site, **values):
    sent = outbox.DeliveryState.SENT
    values = {"subscription_id": site.reader, "state": sent, "kind": "digest"} | values
    await table.add(site.db, outbox.Delivery, publication_id=site.publication.id, **values)


async def test_the_file_holds_everything_we_hold_and_looking_changes_nothing(site):
    await a_history(site)
    async with site.db.transaction() as connection:
        key = await signup.keep_wording(connection, "Yes, send it to me.", site.now)
    await table.change(site.db, models.Consent, wording=key)
    stranger = await cast.a_subscription(site.db, site.publication, "stranger@example.org")
    await a_mail(site, subscription_id=stranger, edition_id=1, created_at=site.now)
    before = await cast.everything(site.db)
    response = await site.get(manage(site, "/data"))
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.headers["content-disposition"] == 'attachment; filename="my-data.json"'
    held = json.loads(response.text)
    [subscription] = held["subscriptions"]
    assert (held["address"], subscription["frequency"], subscription["state"]) == (
        "anna@example.org",
        "weekly",
        "active",
    )
    assert [change["what"] for change in subscription["changes"]] == ["changed"]
    assert [consent["wording"] for consent in subscription["consents"]] == ["Yes, send it to me."]
    assert [(mail["kind"], mail["edition"]) for mail in held["mails"]] == [
        ("digest", "2026-11-03"),
        ("digest", "2026-11-02"),
        ("digest", "2026-11-01"),
        ("welcome", None),
    ]
    assert "stranger" not in response.text
    assert await cast.everything(site.db) == before


async def test_a_long_history_comes_in_pieces_and_whole(site, monkeypatch):
    monkeypatch.setattr(disclosure, "PAGE", 2)
    await a_history(site, count=5)
    held = json.loads((await site.get(manage(site, "/data"))).text)
    assert [mail["edition"] for mail in held["mails"]] == [f"2026-11-0{day}" for day in (5, 4, 3, 2, 1)] + [None]


async def test_the_file_has_the_mails_of_a_choice_that_was_undone(site):
    await a_digest(site, 1)
    await site.press(f"/less/{site.token()}", frequency="weekly")
    await a_digest(site, 2)
    await site.press(f"/undo/{site.token()}")
    assert await digests(site) == ["2026-11-02", "2026-11-01"]


async def test_the_file_has_the_mails_from_before_somebody_came_back(site):
    await a_digest(site, 1)
    await site.press(f"/unsubscribe/{site.token()}")
    await site.press("/subscribe/mias-feed", email="anna@example.org", frequency="weekly")
    await entrance.run(site.db, cast.HASHER, site.now, trap=bugs.caught)
    await site.press(f"/confirm/{site.signer.confirm_token(site.reader, 2, site.now)}")
    await a_digest(site, 2)
    assert await digests(site, generation=2) == ["2026-11-02", "2026-11-01"]


async def a_digest(site, day):
    """By the Cadence of this moment."""
    at = site.now + timedelta(days=day)
    values = {"publication_id": site.publication.id, "upto": day, "due_at": at, "planned_at": at}
    values |= {"cadence_id": (await site.row()).cadence_id, "slot": f"2026-11-{day:02}"}
    await a_mail(site, edition_id=await table.add(site.db, editions.Edition, **values), created_at=at)


async def digests(site, generation=1):
    token = site.signer.manage_token(site.reader, generation, site.now)
    return [mail["edition"] for mail in json.loads((await site.get(f"/manage/{token}/data")).text)["mails"]]


async def test_the_file_does_not_tell_whose_another_address_is(site):
    """Whoever asks to move to an address would else learn whether it is a reader's."""
    files = []
    for kind in ("address", "taken"):
        await a_mail(site, kind="moving", edition_id=None, created_at=site.now)
        await a_mail(site, kind=kind, edition_id=None, created_at=site.now, code=550, reason="nobody there")
        await site.set(notice_due=f"moving {kind}")
        await site.press(f"/unsubscribe/{site.token()}")
        await site.press(f"/undo/{site.token()}")
        held = json.loads((await site.get(manage(site, "/data"))).text)
        files.append([[mail["kind"] for mail in held["mails"]], held["subscriptions"][0]["changes"]])
        for model in (outbox.Delivery, models.Change):
            async with site.db.transaction() as connection:
                await connection.execute(sa.delete(model))
    assert files[0] == files[1]
    assert files[0][0] == ["moving"]


async def test_who_was_never_sent_anything_gets_a_file_too(site):
    held = json.loads((await site.get(manage(site, "/data"))).text)
    assert (held["mails"], len(held["subscriptions"])) == ([], 1)


async def test_every_column_we_keep_of_a_reader_is_in_the_file_or_left_out_on_purpose(site):
    """Whoever adds a column to a Subscription decides here whether it is the reader's to know."""
    held = json.loads((await site.get(manage(site, "/data"))).text)["subscriptions"][0]
    told_otherwise = {"id", "subscriber_id", "publication_id", "cadence_id", "topic_set_id", "covered_to", "generation"}
    of_no_use = {"last_date", "last_instant_at", "misses", "missing_since", "notice_due"}
    columns = {column.key for column in models.Subscription.__table__.columns}
    assert columns - told_otherwise - of_no_use <= set(held)


async def test_erasing_asks_first_and_then_forgets_in_every_publication(site):
    other = await cast.a_publication(site.db, slug="other", name="Other News")
    subscriber_id = (await site.row()).subscriber_id
    await cast.a_subscription(site.db, other, "x@example.org", subscriber_id=subscriber_id)
    link = manage(site, "/erase")
    before = await cast.everything(site.db)
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await site.client.request(method, link)).status_code in (200, 204)
    page = (await site.get(link)).text
    assert ("Mia’s Feed" in page, "Other News" in page) == (True, True)
    assert await cast.everything(site.db) == before
    gone = await site.press(link)
    assert (gone.status_code, "You are forgotten" in gone.text, "anna" in gone.text) == (200, True, False)
    for model in (models.Subscriber, models.Subscription, models.Change, models.Consent):
        assert await table.rows(site.db, model) == []
    async with site.db.reading() as connection:
        assert await suppression.covers(connection, cast.HASHER, "anna@example.org") is models.SuppressionReason.ERASED


async def test_after_erasing_every_link_leads_nowhere(site):
    links = (manage(site), manage(site, "/data"), manage(site, "/erase"))
    await site.press(manage(site, "/erase"))
    assert (await site.press(links[2])).status_code == 404
    for link in (*links, f"/settings/{site.token()}", f"/unsubscribe/{site.token()}"):
        assert (await site.get(link)).status_code == 404
    assert await table.rows(site.db, publications.Publication) != []


@pytest.mark.parametrize("page", ["/data", "/erase"])
async def test_only_a_fresh_link_to_all_settings_opens_them(site, page):
    others = [site.token(), site.signer.confirm_token(site.reader, 1, site.now), "nonsense"]
    before = await cast.everything(site.db)
    for token in others:
        assert (await site.get(f"/manage/{token}{page}")).status_code == 404
        assert (await site.press(f"/manage/{token}{page}")).status_code in (404, 405)
    link = manage(site, page)
    site.later(hours=25)
    assert (await site.get(link)).status_code == 410
    assert (await site.press(link)).status_code in (410, 405)
    assert await cast.everything(site.db) == before


async def test_two_clicks_at_the_same_moment_are_one(site):
    for _ in range(5):
        site.reader = await cast.a_subscription(site.db, site.publication, f"r{site.reader}@example.org")
        link = manage(site, "/erase")
        answers = await asyncio.gather(*(site.press(link) for _ in range(4)))
        assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
