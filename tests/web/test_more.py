"""The list behind "… and 213 more", as a reader opens it."""

import re

import pytest
import sqlalchemy as sa

from digest import publications
from digest.articles import models as articles
from digest.editions import models as editions
from digest.outbox import models as outbox
from tests.support import cast

pytestmark = pytest.mark.anyio


async def a_mail(site, *, counted: int) -> None:
    """Delivery 77 to the reader of the site, which named one Article and counted the others."""
    topics = [("heart",), ("sleep",), ()]
    await cast.some_articles(site.db, site.publication.id, *(topics[n % 3] for n in range(counted + 1)))
    reader = await site.row()
    async with site.db.transaction() as connection:
        edition = sa.insert(editions.Edition).values(
            publication_id=site.publication.id,
            cadence_id=reader.cadence_id,
            slot="2026-11-02",
            due_at=site.now,
            planned_at=site.now,
            upto=counted + 1,
            state=editions.EditionState.FINISHED,
        )
        edition_id = (await connection.execute(edition.returning(editions.Edition.id))).scalar_one()
        picks = {"full": [[1, "heart"]], "links": [], "more": list(range(2, counted + 2))}
        selection = sa.insert(editions.Selection).values(
            publication_id=site.publication.id, fingerprint="x", picks=picks, used_at=site.now
        )
        selection_id = (await connection.execute(selection.returning(editions.Selection.id))).scalar_one()
        await connection.execute(
            sa.insert(outbox.Delivery).values(
                id=77,
                publication_id=site.publication.id,
                edition_id=edition_id,
                subscription_id=site.reader,
                state=outbox.DeliveryState.SENT,
                selection_id=selection_id,
                created_at=site.now,
                finished_at=site.now,
            )
        )


def titles(page) -> list[str]:
    return re.findall(r"Article \d+", page.text)


async def test_exactly_what_was_counted_is_listed_by_topic(site):
    await a_mail(site, counted=6)
    before = await cast.everything(site.db)
    for path in (f"/mail/{site.token()}/more", f"/mail/{site.token()}/more/"):
        page = await site.get(path)
        assert page.status_code == 200
        assert titles(page) == [f"Article {n}" for n in (4, 7, 2, 5, 3, 6)]
        assert re.findall(r'<h2 class="topic" dir="auto">([^<]*)', page.text) == ["Heart", "Sleep", "Also new"]
        assert "Your mail counted 6 stories" in page.text
    assert await cast.everything(site.db) == before


async def test_a_long_list_has_pages_of_bounded_size_and_none_is_missing(site):
    await a_mail(site, counted=230)
    path, found = f"/mail/{site.token()}/more", []
    for number in (1, 2, 3):
        page = await site.get(f"{path}?page={number}")
        assert len(page.content) <= 50_000
        assert f"Page {number} of 3" in page.text
        assert ('rel="next"' in page.text, 'rel="prev"' in page.text) == (number < 3, number > 1)
        found += titles(page)
    assert sorted(found) == sorted(f"Article {n}" for n in range(2, 232))
    for odd in ("0", "-1", "999999999999", "x", "٣", ""):
        assert (await site.get(f"{path}?page={odd}")).status_code == 200


async def test_titles_are_text_and_links_are_links(site):
    await a_mail(site, counted=2)
    async with site.db.transaction() as connection:
        values = {"title": "<script>alert(1)</script> & more", "url": "javascript:alert(2)"}
        await connection.execute(sa.update(articles.Article).where(articles.Article.id == 2).values(values))
        values = {"title": "Fine", "url": "https://news.example.org/a?b=1&c=2"}
        await connection.execute(sa.update(articles.Article).where(articles.Article.id == 3).values(values))
    page = (await site.get(f"/mail/{site.token()}/more")).text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert "javascript:" not in page
    assert 'href="https://news.example.org/a?b=1&amp;c=2"' in page


async def test_a_mail_that_named_everything_says_so(site):
    await a_mail(site, counted=0)
    assert "named every story" in (await site.get(f"/mail/{site.token()}/more")).text


async def test_what_is_no_longer_kept_is_gone_and_what_never_was_is_lost(site):
    assert (await site.get(f"/mail/{site.token()}/more")).status_code == 410
    assert (await site.get("/mail/nonsense/more")).status_code == 404
    assert (await site.press(f"/mail/{site.token()}/more")).status_code == 405


async def test_a_topic_that_left_the_publication_is_no_heading(site):
    await a_mail(site, counted=3)
    async with site.db.transaction() as connection:
        spec = cast.a_spec(topics=[{"slug": "heart", "name": "Heart"}]).model_dump(mode="json")
        await connection.execute(sa.update(publications.Publication).values(spec=spec))
    page = (await site.get(f"/mail/{site.token()}/more")).text
    assert re.findall(r'<h2 class="topic" dir="auto">([^<]*)', page) == ["Heart", "Also new"]
