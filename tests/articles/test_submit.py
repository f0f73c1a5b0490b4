"""Articles handed in one by one, changed, scheduled, and taken back."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from digest import database
from digest.articles import models, poll, release, store, submit
from tests.support import feedserver
from tests.support.feeds import a_publication, an_item, answer, articles, bring_in, positions, publication

pytestmark = pytest.mark.anyio


def given(**fields: Any) -> tuple[submit.Submission, ...]:
    return submit.read(json.dumps({"title": "Title of a", "guid": "a"} | fields))


async def test_an_article_handed_in_is_cleaned_and_released(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    one = given(
        title="Title of a & <c",
        url="https://feed.example/a",
        standfirst="About < and >.",
        body="<p onclick=x>Words <a href='/b'>there</a></p><script>x</script>",
        image_url="https://feed.example/a.png",
        image_alt="A picture",
        author="Ida",
        minutes=4,
        topics=["food", "heart"],
        categories=["Diet"],
        related=[{"title": "More", "url": "https://feed.example/more"}],
    )
    assert await submit.add(db, mias, one, now) == store.Stored(new=1)
    await release.run(db, now)
    (row,) = (await articles(db)).values()
    assert (row.title, row.standfirst, row.position) == ("Title of a & <c", "About < and >.", 1)
    assert row.body == '<p>Words <a href="https://feed.example/b">there</a></p>'
    assert (row.image_alt, row.author, row.minutes, row.topics) == ("A picture", "Ida", 4, ["heart", "food"])
    assert row.related == [["More", "https://feed.example/more"]]


async def test_the_same_guid_changes_the_article(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    await submit.add(db, mias, given(), now)
    await release.run(db, now)
    assert await submit.add(db, mias, given(), now) == store.Stored(unchanged=1)
    assert await submit.add(db, mias, given(title="Title of b"), now) == store.Stored(updated=1)
    assert await positions(db) == ["b"]
    assert (await publication(db)).revision == 1


async def test_a_date_in_the_future_schedules_it(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    await submit.add(db, mias, given(published_at=(now + timedelta(hours=3)).isoformat()), now)
    await release.run(db, now)
    assert await positions(db) == []
    await release.run(db, now + timedelta(hours=3))
    assert await positions(db) == ["a"]


async def test_what_is_handed_in_is_neither_held_nor_archived(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    old = (now - timedelta(days=90)).isoformat()
    many = [{"title": f"Title of {n:02}", "guid": str(n), "published_at": old} for n in range(60)]
    assert (await submit.add(db, mias, submit.read(json.dumps(many)), now)).held == 0
    await release.run(db, now)
    assert len(await positions(db)) == 60


async def test_the_same_article_handed_in_by_many_at_once_is_one(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    stored = await asyncio.gather(*(submit.add(db, mias, given(), now) for _ in range(8)))
    assert sum(one.new for one in stored) == 1
    assert len(await articles(db)) == 1


async def test_handing_in_and_releasing_at_once_leaves_no_gap(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    adding = [submit.add(db, mias, given(guid=str(n), title=f"Title of {n}"), now) for n in range(20)]
    await asyncio.gather(*(step for one in adding for step in (one, release.run(db, now))))
    await release.run(db, now)
    assert len(await positions(db)) == (await publication(db)).head == 20


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is no valid JSON"),
        ("[]", "holds no article"),
        ("7", "article 1"),
        ('{"title": ""}', "title: must not be empty"),
        ('{"title": "a", "titel": "b"}', "titel: unknown key"),
        ('{"title": "a", "url": "javascript:alert(1)"}', "url: must be an absolute http or https URL"),
        ('{"title": "a", "published_at": "2026-11-02T06:00:00"}', "published_at: Input should have timezone info"),
        ('[{"title": "a"}, {"title": 3}]', "article 2: title"),
        ('{"title": "\\ud800"}', "title"),
        ("[" * 100_000, "is no valid JSON"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, complaint: str) -> None:
    with pytest.raises(submit.SubmitError) as raised:
        submit.read(text, where="new.json")
    assert str(raised.value).startswith("new.json")
    assert complaint in str(raised.value)


async def test_an_unknown_topic_stores_nothing(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    with pytest.raises(submit.SubmitError, match="article 2: mias has no topic sleep"):
        await submit.add(db, mias, (*given(), *given(guid="b", topics=["sleep"])), now)
    assert not await articles(db)


async def test_a_retracted_article_keeps_its_position_and_stays_away(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(an_item("a", now), an_item("b", now, title="Title of bb"))}) as server:
        mias = await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        retracted = await submit.retract(db, mias, "a", now)
        assert retracted == submit.Retracted(retracted.id, "Title of a", was_released=True)
        assert await bring_in(db, now + timedelta(hours=1)) == poll.Polled()
    row = (await articles(db))["a"]
    assert (row.state, row.position) == (models.ArticleState.RETRACTED, 2)
    assert (await publication(db)).revision == 1


async def test_an_article_retracted_before_its_release_is_never_released(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    await submit.add(db, mias, given(url="https://feed.example/a"), now)
    retracted = await submit.retract(db, mias, "http://feed.example/a/?utm_source=mail", now)
    assert not retracted.was_released
    await release.run(db, now)
    assert (await positions(db), (await publication(db)).revision) == ([], 0)


async def test_what_cannot_be_retracted_is_told(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/1": answer(an_item("a", now)), "/2": answer(an_item("a", now, link=None))}) as server:
        mias = await a_publication(db, now, server.url("/1"), server.url("/2"))
        await bring_in(db, now)
    with pytest.raises(submit.SubmitError, match="has no article '99'; find its number with: digest articles list"):
        await submit.retract(db, mias, "99", now)
    with pytest.raises(submit.SubmitError, match="is several articles; use one of the numbers 1, 2"):
        await submit.retract(db, mias, "a", now)


async def test_the_listing_begins_with_what_waits_and_the_newest(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    for name in "ab":
        await submit.add(db, mias, given(guid=name, title=name), now)
    await release.run(db, now)
    later = (now + timedelta(days=1)).isoformat()
    await submit.add(db, mias, given(guid="c", title="c", published_at=later), now)
    async with db.reading() as connection:
        rows = await submit.listing(connection, mias.id)
        waiting = await submit.listing(connection, mias.id, state=models.ArticleState.WAITING)
    assert [(row.title, row.position, row.source) for row in rows] == [
        ("c", None, "push"),
        ("b", 2, "push"),
        ("a", 1, "push"),
    ]
    assert [row.title for row in waiting] == ["c"]
