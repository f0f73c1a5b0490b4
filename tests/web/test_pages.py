"""What a reader can do behind the links of a mail, and what they are told."""

import asyncio
from datetime import UTC, datetime

import pytest

from digest import publications
from digest.audience import models, preferences, standing
from digest.web.pages import pause as pause_page
from tests.support import cast, table

pytestmark = pytest.mark.anyio
State = models.SubscriptionState
LINKS = ("unsubscribe", "less", "pause", "resume", "undo", "mail")


async def test_opening_a_link_never_changes_anything(site):
    site.mails[77] = "<p>Hello</p>"
    confirm = site.signer.confirm_token(site.reader, 1, site.now)
    await site.set(state=State.PENDING)
    paths = ["/", *(f"/{link}/{site.token()}" for link in LINKS), f"/confirm/{confirm}"]
    before = await cast.everything(site.db)
    for path in paths:
        for method in ("GET", "HEAD", "OPTIONS"):
            for slash in ("", "/"):
                response = await site.client.request(method, path.rstrip("/") + slash if path != "/" else path)
                assert response.status_code == (204 if method == "OPTIONS" else 200), (method, path)
                assert method == "GET" or not response.content
    assert await cast.everything(site.db) == before


async def test_the_page_asks_first_and_its_button_unsubscribes(site):
    path = f"/unsubscribe/{site.token()}"
    page = (await site.get(path)).text
    assert "Unsubscribe from Mia’s Feed?" in page
    assert "a***@example.org gets this every day at 07:00, Berlin time." in page
    assert "anna@" not in page
    response = await site.press(path)
    assert response.status_code == 200
    assert "You are unsubscribed" in response.text
    assert [f"/{link}/{site.token()}" in response.text for link in ("undo", "less", "pause")] == [True] * 3
    assert (await site.row()).state is State.UNSUBSCRIBED
    assert await site.changes() == [("left", "page")]
    assert "You are unsubscribed" in (await site.get(path)).text


async def test_undo_brings_back_what_was_for_a_day(site):
    before = await site.row()
    await site.press(f"/unsubscribe/{site.token()}")
    site.later(hours=23)
    assert "Everything will be as it was" in (await site.get(f"/undo/{site.token()}")).text
    page = await site.press(f"/undo/{site.token()}")
    assert "a***@example.org gets this every day" in page.text
    assert await site.row() == before
    again = await site.press(f"/undo/{site.token()}")
    assert (again.status_code, await site.row()) == (200, before)
    assert "There is nothing to undo" in (await site.get(f"/undo/{site.token()}")).text


async def test_after_the_day_undo_says_how_to_come_back(site):
    await site.press(f"/unsubscribe/{site.token()}")
    site.later(hours=25)
    for link in ("undo", "less", "pause"):
        page = (await site.get(f"/{link}/{site.token()}")).text
        assert "sign up anew" in page
        assert "<form" not in page
        await site.press(f"/{link}/{site.token()}", frequency="weekly", **{"for": "2"})
    assert (await site.row()).state is State.UNSUBSCRIBED


async def test_less_often_offers_what_is_slower_and_can_be_undone(site):
    path = f"/less/{site.token()}"
    page = (await site.get(path)).text
    assert ("Once a week" in page, "Once a month" in page, "As it happens" in page) == (True, True, False)
    page = (await site.press(path, frequency="weekly")).text
    assert "a***@example.org gets this every Monday at 07:00, Berlin time." in page
    assert (await site.frequency(), (await site.row()).covered_to) == ("weekly", 7)
    # The browser's reload button does not make it slower still.
    await site.press(path, frequency="weekly")
    assert await site.changes() == [("changed", "page")]
    await site.press(f"/undo/{site.token()}")
    assert await site.frequency() == "daily"


@pytest.mark.parametrize(
    "fields", [{}, {"frequency": "instant"}, {"frequency": "hourly"}, {"frequency": "fortnightly"}]
)
async def test_a_frequency_that_is_not_slower_is_refused(site, fields):
    before = await cast.everything(site.db)
    response = await site.press(f"/less/{site.token()}", **fields)
    assert response.status_code == 400
    assert "Please choose one of these" in response.text
    assert await cast.everything(site.db) == before


async def test_who_gets_the_least_is_offered_a_pause(site):
    spec = cast.a_spec()
    reader = await cast.a_subscription(
        site.db, site.publication, "ben@example.org", choice=preferences.fulfil(spec, preferences.Wish("monthly"))
    )
    page = (await site.get(f"/less/{site.token(reader=reader)}")).text
    assert "on the first Monday of the month at 07:00" in page
    assert "as seldom as it comes" in page
    assert "<form" not in page


async def test_who_has_just_left_may_come_back_for_less(site):
    await site.press(f"/unsubscribe/{site.token()}")
    assert "got this every day" in (await site.get(f"/less/{site.token()}")).text
    await site.press(f"/less/{site.token()}", frequency="monthly")
    row = await site.row()
    assert (row.state, row.left_at, row.generation, row.covered_to) == (State.ACTIVE, None, 1, 7)
    assert await site.frequency() == "monthly"
    assert await site.changes() == [("left", "page"), ("undone", "page"), ("changed", "page")]


async def test_a_pause_lasts_to_the_readers_own_midnight(site):
    path = f"/pause/{site.token()}"
    page = (await site.get(path)).text
    assert ("until 16 November 2026" in page, 'min="2026-11-03"' in page) == (True, True)
    page = (await site.press(path, **{"for": "2", "until": ""})).text
    assert "gets no mail before 16 November 2026. From then on it comes every day" in page
    assert (await site.row()).paused_until == datetime(2026, 11, 15, 23, tzinfo=UTC)
    page = (await site.press(path, **{"for": "date", "until": "2027-06-01"})).text
    assert "1 June 2027" in page
    assert (await site.row()).paused_until == datetime(2027, 5, 31, 22, tzinfo=UTC)
    assert "Resume now" in (await site.get(path)).text
    assert "1 June 2027" in (await site.get(f"/resume/{site.token()}")).text
    page = (await site.press(f"/resume/{site.token()}")).text
    assert "gets this every day" in page
    assert (await site.row()).paused_until is None
    assert "There is no pause" in (await site.get(f"/resume/{site.token()}")).text


async def test_who_left_while_paused_may_come_back_by_resuming(site):
    await site.press(f"/pause/{site.token()}", **{"for": "2", "until": ""})
    await site.press(f"/unsubscribe/{site.token()}")
    page = (await site.press(f"/resume/{site.token()}")).text
    assert "gets this every day" in page
    row = await site.row()
    assert (row.state, row.left_at, row.paused_until) == (State.ACTIVE, None, None)
    assert [what for what, _ in await site.changes()] == ["paused", "left", "undone", "resumed"]


async def test_a_double_click_is_answered_as_one(site):
    path = f"/less/{site.token()}"
    pages = await asyncio.gather(*(site.press(path, frequency="monthly") for _ in range(3)))
    assert [page.status_code for page in pages] == [200] * 3
    assert await site.frequency() == "monthly"


@pytest.mark.parametrize("until", ["", "2026-11-02", "2020-01-01", "2028-01-01", "soon", "9999-12-31", "2026-W50-1x"])
async def test_a_day_we_cannot_keep_is_refused_with_those_we_can(site, until):
    response = await site.press(f"/pause/{site.token()}", **{"for": "date", "until": until})
    assert response.status_code == 400
    assert "Please choose a day from 3 November 2026 to 3 November 2027." in response.text
    assert (await site.row()).paused_until is None


@pytest.mark.parametrize(
    ("form", "day"),
    [
        ({"for": "4"}, "2026-11-30"),
        ({"for": "8"}, "2026-12-28"),
        ({"for": "2", "until": "2026-11-03"}, "2026-11-03"),
        ({"for": "3"}, None),
    ],
)
def test_the_first_day_with_mail_again(form, day):
    found = pause_page.wished_day(form, datetime(2026, 11, 2).date())
    assert (found.isoformat() if found else None) == day


async def test_who_has_just_left_may_pause_instead(site):
    await site.press(f"/unsubscribe/{site.token()}")
    await site.press(f"/pause/{site.token()}", **{"for": "2"})
    row = await site.row()
    assert (row.state, row.paused_until is not None) == (State.ACTIVE, True)


@pytest.mark.parametrize(
    ("page", "fields"),
    [("topics", {"which": "some", "topic-heart": "1"}), ("pause", {"for": "2"}), ("less", {"frequency": "monthly"})],
)
async def test_who_comes_back_by_choosing_gets_nothing_that_is_no_longer_there(site, page, fields):
    await site.press(f"/topics/{site.token()}", which="some", **{"topic-sleep": "1"})
    await site.press(f"/unsubscribe/{site.token()}")
    topics = [{"slug": slug, "name": slug.title()} for slug in ("heart", "lungs")]
    spec = cast.a_spec(frequencies=[{"frequency": "weekly"}, {"frequency": "monthly"}], topics=topics)
    await table.change(site.db, publications.Publication, spec=spec.model_dump(mode="json"))
    await site.press(f"/{page}/{site.token()}", **fields)
    assert await site.frequency() == ("monthly" if page == "less" else "weekly")
    async with site.db.reading() as connection:
        found = await standing.find(connection, site.reader)
    assert found.state is State.ACTIVE
    assert found.choice.topics == (("heart",) if page == "topics" else None)


async def test_an_old_link_tells_the_truth_and_its_button_unsubscribes(site):
    await site.set(generation=2, confirmed_at=datetime(2026, 10, 5, 12, tzinfo=UTC))
    old = site.token(1)
    page = (await site.get(f"/unsubscribe/{old}")).text
    assert "signed up again on 5 October 2026" in page
    for link in ("less", "pause", "undo", "resume"):
        response = await site.get(f"/{link}/{old}")
        assert (response.status_code, "This link is from an older mail" in response.text) == (410, True)
        assert (await site.press(f"/{link}/{old}", frequency="weekly", **{"for": "2"})).status_code == 410
    assert await site.changes() == []
    page = (await site.press(f"/unsubscribe/{old}")).text
    assert "You are unsubscribed" in page
    assert "/undo/" not in page
    assert (await site.row()).state is State.UNSUBSCRIBED


async def test_an_old_link_of_one_who_was_signed_up_since_says_that_nothing_comes_yet(site):
    await site.set(generation=2, state=State.PENDING, left_at=site.now)
    for link in ("less", "pause", "undo"):
        response = await site.get(f"/{link}/{site.token(1)}")
        assert (response.status_code, "somebody, perhaps you" in response.text) == (410, True)


async def test_a_broken_link_says_what_may_have_happened(site):
    for link in LINKS:
        for token in ("x", site.token()[:-1], site.token(reader=999)):
            response = await site.get(f"/{link}/{token}")
            assert (response.status_code, "This link leads nowhere" in response.text) == (404, True)
            if link != "mail":
                assert "<form" not in (await site.press(f"/{link}/{token}")).text


async def test_a_mail_is_shown_as_it_was_and_can_run_nothing(site):
    site.mails[77] = "<h1>Mail</h1><script>alert(1)</script>"
    response = await site.get(f"/mail/{site.token()}")
    assert response.text == site.mails[77]
    policy = response.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups")
    assert ("default-src 'none'" in policy, "script" in policy) == (True, False)
    site.mails.clear()
    response = await site.get(f"/mail/{site.token()}")
    assert (response.status_code, "no longer kept" in response.text) == (410, True)


async def test_confirming_takes_a_button_and_three_days_at_most(site):
    await site.set(state=State.PENDING, covered_to=0)
    path = f"/confirm/{site.signer.confirm_token(site.reader, 1, site.now)}"
    page = (await site.get(path)).text
    assert "One click, and you are in" in page
    site.later(hours=73)
    assert (await site.press(path)).status_code == 410
    assert (await site.row()).state is State.PENDING
    site.later(hours=-1)
    page = (await site.press(path)).text
    assert "You are in" in page
    row = await site.row()
    assert (row.state, row.notice_due) == (State.ACTIVE, "welcome")
    assert "You are in" in (await site.press(path)).text
    assert await site.changes() == [("confirmed", "page")]
    for token in ("x", site.token(), site.signer.confirm_token(site.reader, 2, site.now)):
        assert (await site.get(f"/confirm/{token}")).status_code == 410


async def test_a_mail_link_confirms_nothing_and_a_confirm_link_opens_no_page(site):
    confirm = site.signer.confirm_token(site.reader, 1, site.now)
    assert (await site.press(f"/unsubscribe/{confirm}")).status_code == 404
    assert (await site.row()).state is State.ACTIVE


async def test_links_keep_the_path_the_service_is_mounted_at(site, db):
    publication = await cast.a_publication(db, slug="two", base_url="https://news.example.org/mail")
    reader = await cast.a_subscription(db, publication, "ben@example.org")
    page = (await site.get(f"/unsubscribe/{site.token(reader=reader)}")).text
    assert f'action="/mail/unsubscribe/{site.token(reader=reader)}"' in page


async def test_a_sign_up_is_confirmed_below_the_path_the_service_is_mounted_at(site, db):
    publication = await cast.a_publication(db, slug="two", base_url="https://news.example.org/mail", archive="listed")
    reader = await cast.a_subscription(db, publication, "ben@example.org", state=State.PENDING)
    path = f"/confirm/{site.signer.confirm_token(reader, 1, site.now)}"
    assert f'action="/mail{path}"' in (await site.get(path)).text
    assert 'href="/mail/archive/two"' in (await site.press(path)).text


@pytest.mark.parametrize(
    ("link", "fields"),
    [("less", {"frequency": "daily"}), ("pause", {"for": "2"}), ("resume", {}), ("undo", {})],
)
async def test_whatever_a_reader_does_whose_mail_was_given_up_has_it_sent_again(site, link, fields):
    await site.set(state=State.FAILING, misses=7, missing_since=site.now)
    path = f"/{link}/{site.token()}"
    await site.get(path)
    assert (await cast.subscription(site.db, site.reader)).state is State.FAILING
    assert (await site.press(path, **fields)).status_code == 200
    row = await cast.subscription(site.db, site.reader)
    assert (row.state, row.misses, row.missing_since) == (State.ACTIVE, 0, None)
    changes = await table.rows(site.db, models.Change, what="reactivated")
    assert [change.door for change in changes] == ["page"]


async def test_who_leaves_after_their_mail_was_given_up_and_takes_it_back_is_an_active_reader(site):
    await site.set(state=State.FAILING, misses=7, missing_since=site.now)
    await site.press(f"/unsubscribe/{site.token()}")
    assert (await cast.subscription(site.db, site.reader)).state is State.UNSUBSCRIBED
    await site.press(f"/undo/{site.token()}")
    assert (await cast.subscription(site.db, site.reader)).state is State.ACTIVE
