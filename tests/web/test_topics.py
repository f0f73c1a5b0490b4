"""Choosing topics by the link in a mail."""

import pytest
import sqlalchemy as sa

from digest import publications
from digest.audience import models
from tests.support import cast, table

pytestmark = pytest.mark.anyio


async def held(site):
    async with site.db.reading() as connection:
        row = await site.row()
        return await connection.scalar(sa.select(models.TopicSet.topics).where(models.TopicSet.id == row.topic_set_id))


async def test_looking_shows_the_choice_and_changes_nothing(site):
    before = await cast.everything(site.db)
    for method in ("GET", "HEAD", "OPTIONS"):
        response = await site.client.request(method, f"/topics/{site.token()}")
        assert response.status_code in (200, 204)
    page = (await site.get(f"/topics/{site.token()}")).text
    assert 'value="all" checked' in page
    assert page.index("Heart") < page.index("Lungs") < page.index("Sleep")
    assert await cast.everything(site.db) == before


async def test_what_is_ticked_is_what_comes_and_covered_to_stays(site):
    page = await site.press(f"/topics/{site.token()}", which="some", **{"topic-heart": "1", "topic-sleep": "1"})
    assert page.status_code == 200
    assert await held(site) == ["heart", "sleep"]
    assert (await site.row()).covered_to == 7
    shown = (await site.get(f"/topics/{site.token()}")).text
    assert 'name="topic-heart" value="1" checked' in shown
    assert 'name="topic-lungs" value="1" checked' not in shown
    # Sent twice it is the same as once.
    await site.press(f"/topics/{site.token()}", which="some", **{"topic-heart": "1", "topic-sleep": "1"})
    assert await site.changes() == [("changed", "page")]


async def test_everything_can_be_chosen_again_and_a_choice_undone(site):
    await site.press(f"/topics/{site.token()}", which="some", **{"topic-heart": "1"})
    await site.press(f"/topics/{site.token()}", which="all", **{"topic-heart": "1"})
    assert await held(site) is None
    await site.press(f"/undo/{site.token()}")
    assert await held(site) == ["heart"]


async def test_as_many_as_there_are_can_be_ticked(site):
    slugs = [f"t{number:02}" for number in range(60)]
    many = await cast.a_publication(site.db, slug="many", topics=[{"slug": slug, "name": slug} for slug in slugs])
    site.reader = await cast.a_subscription(site.db, many, "ben@example.org")
    page = await site.press(f"/topics/{site.token()}", which="some", **{f"topic-{slug}": "1" for slug in slugs[:55]})
    assert (page.status_code, await held(site)) == (200, slugs[:55])


@pytest.mark.parametrize("fields", [{}, {"which": "some"}, {"which": "some", "topic-astrology": "1"}])
async def test_nothing_at_all_is_no_choice(site, fields):
    before = await cast.everything(site.db)
    response = await site.press(f"/topics/{site.token()}", **fields)
    assert (response.status_code, "Please choose one topic" in response.text) == (400, True)
    assert await cast.everything(site.db) == before


async def test_all_topics_there_are_mean_everything(site):
    await site.press(f"/topics/{site.token()}", which="some", **{"topic-heart": "1"})
    every = {"topic-heart": "1", "topic-lungs": "1", "topic-sleep": "1"}
    page = await site.press(f"/topics/{site.token()}", which="some", **every)
    assert await held(site) is None
    assert "You get all topics." in page.text


async def test_the_page_after_it_names_the_topics_in_the_publications_order(site):
    page = await site.press(f"/topics/{site.token()}", which="some", **{"topic-sleep": "1", "topic-heart": "1"})
    assert "Your topics: Heart and Sleep." in page.text


async def test_who_would_leave_is_offered_fewer_topics_where_there_are_any(site):
    link = f'href="/topics/{site.token()}"'
    assert link in (await site.get(f"/unsubscribe/{site.token()}")).text
    await table.change(site.db, publications.Publication, spec=cast.a_spec(topics=[]).model_dump(mode="json"))
    assert link not in (await site.get(f"/unsubscribe/{site.token()}")).text
    assert "no topics to choose from" in (await site.get(f"/topics/{site.token()}")).text


async def test_links_of_nobody_and_of_who_left_are_refused(site):
    assert (await site.get("/topics/nonsense")).status_code == 404
    assert (await site.press("/topics/nonsense", which="all")).status_code == 404
    await site.press(f"/unsubscribe/{site.token()}")
    site.later(hours=25)
    await site.press(f"/topics/{site.token()}", which="some", **{"topic-heart": "1"})
    assert await held(site) is None


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_mail_about_it_is_ordered_where_the_publication_wants_one(site, wanted):
    spec = cast.a_spec(settings_changed=wanted).model_dump(mode="json")
    await table.change(site.db, publications.Publication, spec=spec)
    doors = [
        ("topics", {"which": "some", "topic-heart": "1"}),
        ("less", {"frequency": "monthly"}),
        ("pause", {"for": "4"}),
    ]
    for page, fields in doors:
        assert (await site.press(f"/{page}/{site.token()}", **fields)).status_code == 200
        assert (await site.row()).notice_due == ("changed" if wanted else None)
        await site.set(notice_due=None)
