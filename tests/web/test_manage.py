"""All settings behind the link that was mailed for it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from digest import links, publications
from digest.audience import models, preferences, standing
from tests.support import cast, table

pytestmark = pytest.mark.anyio
State = models.SubscriptionState


def path(site, generation=1, at=None):
    return f"/manage/{site.signer.manage_token(site.reader, generation, at or site.now)}"


async def save(site, act, publication="mias-feed", link=None, **fields):
    return await site.press(link or path(site), act=act, publication=publication, **fields)


async def choice(site, reader=None):
    async with site.db.reading() as connection:
        return (await standing.find(connection, reader or site.reader)).choice


async def second(site, **values):
    """The same person reads another Publication too."""
    other = await cast.a_publication(site.db, slug="other", name="Other News", topics=[])
    subscriber_id = (await site.row()).subscriber_id
    return await cast.a_subscription(site.db, other, "x@example.org", **{"subscriber_id": subscriber_id} | values)


async def test_looking_shows_everything_and_changes_nothing(site):
    await second(site, state=State.UNSUBSCRIBED)
    before = await cast.everything(site.db)
    for method in ("GET", "HEAD", "OPTIONS"):
        response = await site.client.request(method, path(site))
        assert response.status_code in (200, 204)
    page = (await site.get(path(site))).text
    for text in ("anna@example.org", "every day at 07:00, Berlin time", "Other News", "You are unsubscribed."):
        assert text in page
    assert len(page) < 50_000
    assert await cast.everything(site.db) == before


async def test_how_often_and_when_is_one_form_and_sent_twice_the_same_as_once(site):
    for _ in range(2):
        page = await save(site, "rhythm", frequency="weekly", weekday="3", send_at="18:15")
    assert (page.status_code, "every Thursday at 18:15, Berlin time" in page.text) == (200, True)
    assert await choice(site) == preferences.Choice("weekly", 3, "18:15", "Europe/Berlin")
    assert await site.changes() == [("changed", "page")]
    assert (await site.row()).covered_to == 7


@pytest.mark.parametrize(
    ("act", "fields", "says"),
    [
        ("rhythm", {"frequency": "hourly", "weekday": "0", "send_at": "07:00"}, "Please choose one of these."),
        ("rhythm", {"frequency": "daily", "weekday": "0", "send_at": "07:10"}, "by the quarter of an hour"),
        ("rhythm", {"frequency": "daily", "weekday": "0", "send_at": ""}, "by the quarter of an hour"),
        ("rhythm", {"frequency": "daily", "weekday": "0", "send_at": "07:15+02:00"}, "by the quarter of an hour"),
        ("topics", {"which": "some"}, "Please choose one topic"),
        ("language", {"language": "tlh"}, "Please choose one of these."),
        ("layout", {"layout": "baroque"}, "Please choose one of these."),
        ("layout", {}, "Please choose one of these."),
        ("pause", {"until": "2026-11-02"}, "Please choose a day from 3 November 2026"),
        ("zone", {"timezone": "Mars/Olympus"}, "Please choose one of these."),
    ],
)
async def test_what_is_wrong_is_said_beside_its_field_and_changes_nothing(site, act, fields, says):
    before = await cast.everything(site.db)
    response = await save(site, act, **fields)
    assert response.status_code == 400
    assert response.text.count('role="alert"') == 1
    assert says in response.text.partition('role="alert"')[2].partition("</p>")[0]
    assert '<details class="line" open>' in response.text
    assert "Your next mail" in response.text
    assert await cast.everything(site.db) == before


async def test_a_weekday_nobody_has_is_refused_where_it_counts_only(site):
    assert (await save(site, "rhythm", frequency="weekly", weekday="9", send_at="07:00")).status_code == 400
    assert (await save(site, "rhythm", frequency="daily", weekday="9", send_at="07:00")).status_code == 200


async def test_a_time_that_is_no_quarter_may_stay_as_it_is(site):
    odd = preferences.fulfil(cast.a_spec(), preferences.Wish("daily", send_at="07:10"))
    reader = await cast.a_subscription(site.db, site.publication, "odd@example.org", choice=odd)
    link = f"/manage/{site.signer.manage_token(reader, 1, site.now)}"
    assert 'value="07:10" step="60"' in (await site.get(link)).text
    assert (await save(site, "rhythm", link=link, frequency="monthly", weekday="0", send_at="07:10")).status_code == 200
    assert (await choice(site, reader)).frequency == "monthly"


async def test_a_frequency_that_is_no_longer_on_offer_may_be_kept(site):
    spec = cast.a_spec(frequencies=[{"frequency": "weekly"}]).model_dump(mode="json")
    await table.change(site.db, publications.Publication, spec=spec)
    page = await save(site, "rhythm", frequency="daily", weekday="0", send_at="09:00")
    assert (page.status_code, (await choice(site)).send_at) == (200, "09:00")


async def test_topics_language_and_pause_are_kept_and_can_be_undone(site):
    await save(site, "topics", which="some", **{"topic-heart": "1"})
    assert (await choice(site)).topics == ("heart",)
    await save(site, "undo")
    assert (await choice(site)).topics is None
    page = await save(site, "language", language="de")
    assert ((await site.row()).locale, 'lang="de" dir="ltr"' in page.text) == ("de", True)
    await save(site, "undo")
    assert (await site.row()).locale is None
    await save(site, "pause", until="2026-12-01")
    assert (await site.row()).paused_until == datetime(2026, 11, 30, 23, tzinfo=UTC)
    await save(site, "resume")
    assert (await site.row()).paused_until is None


async def test_a_layout_is_kept_and_the_publications_own_is_kept_as_none(site):
    for layout in ("compact", "text"):
        page = await save(site, "layout", layout=layout)
        assert (page.status_code, (await site.row()).layout) == (200, layout)
        assert f'value="{layout}" checked' in page.text
    await save(site, "undo")
    assert (await site.row()).layout == "compact"
    await save(site, "layout", layout="full")
    assert (await site.row()).layout is None
    compact = cast.a_spec(layout="compact").model_dump(mode="json")
    await table.change(site.db, publications.Publication, spec=compact)
    assert 'value="compact"' not in (await site.get(path(site))).text


async def test_leaving_is_undone_on_the_same_page(site):
    page = await save(site, "leave")
    assert "You are unsubscribed." in page.text
    assert "Undo your last change" in page.text
    await save(site, "rhythm", frequency="weekly", weekday="0", send_at="07:00")
    assert ((await site.row()).state, await site.frequency()) == (State.UNSUBSCRIBED, "daily")
    await save(site, "undo")
    assert (await site.row()).state is State.ACTIVE


async def test_what_can_no_longer_be_undone_is_said_and_changes_nothing(site):
    await save(site, "leave")
    site.later(hours=24, seconds=1)
    before = await cast.everything(site.db)
    page = await save(site, "undo")
    assert (page.status_code, 'role="status"' in page.text) == (400, False)
    assert "There is nothing to undo." in page.text.partition('role="alert"')[2].partition("</p>")[0]
    assert await cast.everything(site.db) == before


@pytest.mark.parametrize("state", [State.ACTIVE, State.FAILING])
async def test_undo_pressed_twice_is_undone_once_and_said_so_both_times(site, state):
    await site.set(state=state)
    await save(site, "leave")
    for _ in range(2):
        page = await save(site, "undo")
        assert (page.status_code, "Undone." in page.text) == (200, True)
        assert (await site.row()).state is State.ACTIVE
    assert (await site.changes()).count(("undone", "page")) == 1


async def test_who_has_left_everything_is_asked_for_no_zone(site):
    link = path(site)
    assert 'id="timezone"' in (await site.get(link)).text
    await site.set(state=State.UNSUBSCRIBED, left_at=site.now)
    assert 'id="timezone"' not in (await site.get(link)).text


async def test_a_zone_counts_for_all_that_comes_at_a_time_of_day(site):
    spec = cast.a_spec()
    weekly = preferences.fulfil(spec, preferences.Wish("weekly", send_at="18:00"))
    other = await second(site, choice=weekly)
    await save(site, "zone", timezone="America/New_York")
    assert [(await choice(site, one)).timezone for one in (site.reader, other)] == ["America/New_York"] * 2
    assert (await choice(site, other)).send_at == "18:00"


async def test_instant_has_no_time_and_who_comes_back_from_it_is_where_they_were(site):
    other = await second(
        site, choice=preferences.fulfil(cast.a_spec(), preferences.Wish("daily", timezone="Asia/Tokyo"))
    )
    await save(site, "rhythm", frequency="instant", weekday="0", send_at="")
    assert await site.frequency() == "instant"
    await save(site, "rhythm", frequency="daily", weekday="0", send_at="08:00")
    assert await choice(site) == preferences.Choice("daily", 0, "08:00", "Asia/Tokyo")
    assert (await choice(site, other)).timezone == "Asia/Tokyo"


async def test_a_form_acts_on_the_publication_it_names_and_on_none_of_somebody_else(site):
    other = await second(site)
    await save(site, "rhythm", "other", frequency="weekly", weekday="0", send_at="07:00")
    assert [(await choice(site, one)).frequency for one in (site.reader, other)] == ["daily", "weekly"]
    third = await cast.a_publication(site.db, slug="third")
    stranger = await cast.a_subscription(site.db, third, "stranger@example.org")
    before = await cast.everything(site.db)
    for publication, act in [("third", "leave"), ("none", "leave"), ("mias-feed", "nonsense"), ("mias-feed", "")]:
        assert (await save(site, act, publication)).status_code == 400
    assert (await save(site, "leave", "third")).text.count("stranger") == 0
    assert await cast.everything(site.db) == before
    assert stranger


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_mail_about_it_is_ordered_where_the_publication_wants_one(site, wanted):
    spec = cast.a_spec(settings_changed=wanted).model_dump(mode="json")
    await table.change(site.db, publications.Publication, spec=spec)
    forms = {
        "rhythm": {"frequency": "weekly", "weekday": "1", "send_at": "07:00"},
        "topics": {"which": "some", "topic-heart": "1"},
        "language": {"language": "fr"},
        "layout": {"layout": "text"},
        "pause": {"until": "2026-12-01"},
        "zone": {"timezone": "Asia/Tokyo"},
    }
    for act, fields in forms.items():
        await save(site, act, **fields)
        assert (await site.row()).notice_due == ("changed" if wanted else None), act
        await site.set(notice_due=None)


async def test_whose_mail_was_given_up_is_a_reader_again_by_any_choice(site):
    await site.set(state=State.FAILING)
    assert "refused for weeks" in (await site.get(path(site))).text
    await save(site, "language", language="de")
    assert (await site.row()).state is State.ACTIVE


async def test_a_link_holds_for_a_day_and_then_says_how_to_get_another(site):
    link = path(site)
    site.later(hours=24)
    assert (await site.get(link)).status_code == 200
    site.later(seconds=1)
    page = await site.get(link)
    assert (page.status_code, "Mail me a fresh link" in page.text, "anna@" in page.text) == (410, True, False)
    assert (await save(site, "leave", link=link)).status_code == 410
    await site.press(link.replace("/manage/", "/settings/"))
    row = await site.row()
    assert (row.state, row.notice_due) == (State.ACTIVE, "manage")


async def test_a_link_of_an_older_generation_opens_nothing_and_renews_nothing(site):
    await site.set(generation=2)
    page = await site.get(path(site))
    assert (page.status_code, "Mail me a fresh link" in page.text) == (410, False)
    assert (await site.press(path(site).replace("/manage/", "/settings/"))).status_code == 410
    assert await site.changes() == []


async def test_no_other_token_opens_it_and_it_opens_nothing_else(site):
    before = await cast.everything(site.db)
    strangers = links.Signer(("a-stranger-makes-keys-too-0123456789",)).manage_token(site.reader, 1, site.now)
    others = [make(site.reader, site.now) for make in (site.signer.address_token, site.signer.moving_token)]
    for token in ["nonsense", site.token(), strangers, site.signer.confirm_token(site.reader, 1, site.now), *others]:
        assert (await site.get(f"/manage/{token}")).status_code == 404
        assert (await save(site, "leave", link=f"/manage/{token}")).status_code == 404
    manage = site.signer.manage_token(site.reader, 1, site.now)
    for page in ("unsubscribe", "less", "topics", "pause", "resume", "undo", "mail"):
        assert (await site.get(f"/{page}/{manage}")).status_code == 404
    assert (await site.press(f"/confirm/{manage}")).status_code == 410
    assert await cast.everything(site.db) == before


async def test_the_page_of_who_was_erased_is_not_there(site):
    link = path(site)
    async with site.db.transaction() as connection:
        await connection.execute(sa.delete(models.Subscription))
    assert (await site.get(link)).status_code == 404
    assert (await save(site, "leave", link=link)).status_code == 404


async def test_a_link_from_a_clock_ahead_is_taken(site):
    assert (await site.get(path(site, at=site.now + timedelta(minutes=5)))).status_code == 200


async def test_the_next_mail_is_told_with_what_is_in_it_so_far(site, db):
    await cast.some_articles(db, site.publication.id, *[("heart",)] * 8, *[("lungs",)] * 7)
    page = (await site.get(path(site))).text  # all up to the seventh is settled
    assert "Tuesday, 3 November 2026" in page
    assert [f"Article {number}" in page for number in (15, 11, 10, 8)] == [True, True, False, False]
    assert "And 3 more stories so far." in page
    await save(site, "topics", which="some", **{"topic-heart": "1"})
    page = (await site.get(path(site))).text
    assert ("Article 8" in page, "Article 9" in page, "more stories so far" in page) == (True, False, False)
    await site.set(covered_to=15, paused_until=site.now + timedelta(days=9))
    page = (await site.get(path(site))).text
    assert ("Nothing new so far" in page, "Wednesday, 11 November 2026" in page) == (True, True)


async def test_who_is_told_as_it_happens_has_no_next_mail_and_who_left_none_at_all(site):
    await save(site, "rhythm", frequency="instant")
    page = (await site.get(path(site))).text
    assert ("Your next mail" in page, "What came before" in page) == (False, True)
    await site.set(state=State.UNSUBSCRIBED)
    assert "What came before" not in (await site.get(path(site))).text


async def test_the_feed_of_ones_own_mails_is_there(site):
    page = (await site.get(path(site))).text
    [token] = re.findall(r'href="https://digest.example.org/feed/([^"]+)"', page)
    assert site.signer.read_feed_token(token) == (site.reader, 1)
    assert (await site.get(f"/feed/{token}")).status_code == 200
