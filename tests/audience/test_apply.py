"""A publication file applied, again and again, with changes that readers notice and changes that are refused."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from digest import addresses, database, publications
from digest.articles import sources
from digest.articles.models import SourceState
from digest.audience import apply, importing, models, preferences, rows, suppression
from tests.support import feedserver
from tests.support.feeds import (
    FETCHER,
    a_publication,
    a_source,
    a_spec,
    an_item,
    answer,
    articles,
    bring_in,
    publication,
)

pytestmark = pytest.mark.anyio
FEED = "https://feed.example/rss"


async def subscribe(db: database.Database, mias: Any, now: datetime, **wish: Any) -> None:
    row = rows.Row(1, addresses.parse("ann@example.org"), preferences.Wish(**wish))
    hasher = suppression.Hasher(("k" * 40,))
    report = await importing.run(db, [row], importing.Order(mias, hasher, now, confirmed=True))
    assert not report.refused, report.refused


async def test_applying_twice_changes_nothing(db: database.Database, now: datetime) -> None:
    spec = a_spec(sources=[{"url": FEED}])
    first = await apply.apply(db, spec, now)
    before = await publication(db), await a_source(db)
    assert (first.created, first.changed) == (True, ())
    assert await apply.apply(db, spec, now) == apply.Applied(first.id, False, ())
    assert (await publication(db), await a_source(db)) == before


async def test_what_changed_is_named_and_mails_look_again(db: database.Database, now: datetime) -> None:
    await a_publication(db, now)
    applied = await apply.apply(db, a_spec(name="Mia's News", min_items=3), now + timedelta(days=1))
    assert (applied.created, applied.changed) == (False, ("name", "min_items"))
    row = await publication(db)
    assert (row.revision, row.applied_at) == (1, now + timedelta(days=1))
    assert publications.load(row.spec).name == "Mia's News"


async def test_many_nodes_may_apply_at_once(db: database.Database, now: datetime) -> None:
    applied = await asyncio.gather(*(apply.apply(db, a_spec(sources=[{"url": FEED}]), now) for _ in range(5)))
    assert sorted(one.created for one in applied) == [False] * 4 + [True]
    async with db.reading() as connection:
        assert len(await sources.listing(connection)) == 1


async def test_a_source_taken_out_ends_and_one_put_back_begins_anew(db: database.Database, now: datetime) -> None:
    old = an_item("old", now - timedelta(days=30))
    with feedserver.serve({"/feed": [answer(an_item("a", now)), answer(old, an_item("b", now))]}) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        await a_publication(db, now)
        source = await a_source(db)
        assert (source.state, source.reason) == (SourceState.ENDED, "was taken out of the publication")
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
    assert {name: row.state for name, row in (await articles(db)).items()} == {
        "a": "released",
        "old": "archived",
        "b": "released",
    }


async def test_a_source_that_ended_by_itself_is_not_revived_by_applying_again(
    db: database.Database, now: datetime
) -> None:
    await a_publication(db, now, FEED)
    await sources.end(db, FEED)
    await apply.apply(db, a_spec(sources=[{"url": FEED}], name="Other"), now)
    assert (await a_source(db)).state == SourceState.ENDED


async def test_sources_added_by_hand_stay(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(an_item("a", now))}) as server:
        mias = await a_publication(db, now, FEED)
        await sources.ingest(db, FETCHER, mias, server.url("/feed"), now)
        await a_publication(db, now)
    assert (await a_source(db, "2")).state == SourceState.ACTIVE


async def test_new_rules_for_topics_are_applied_to_articles_of_the_last_months(
    db: database.Database, now: datetime
) -> None:
    items = an_item("salt", now), an_item("plain", now, category="Cardiology")
    with feedserver.serve({"/feed": answer(*items)}) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        before = await articles(db)
        topics = [{"slug": "words", "name": "Words", "keywords": ["title"]}, {"slug": "heart", "name": "Heart"}]
        await apply.apply(db, a_spec(topics=topics, sources=[{"url": server.url("/feed"), "topics": ["heart"]}]), now)
    after = await articles(db)
    assert (before["salt"].topics, before["plain"].topics) == (["food"], ["heart"])
    assert (after["salt"].topics, after["plain"].topics) == (["words", "heart"], ["words", "heart"])
    assert after["salt"].position == before["salt"].position
    assert (await a_source(db)).topics == ["heart"]


async def test_a_frequency_or_topic_readers_chose_cannot_go(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now, FEED)
    await subscribe(db, mias, now, frequency="weekly", topics=("food",))
    smaller = {"frequencies": [{"frequency": "daily"}], "topics": [{"slug": "heart", "name": "Heart"}]}
    with pytest.raises(apply.InUseError) as refused:
        await apply.apply(db, a_spec(**smaller), now)
    lines = str(refused.value).splitlines()
    assert lines[0].startswith("mias: frequency 'weekly' cannot go: 1 subscription chose it; leave it in the file, or")
    assert lines[1].startswith("mias: topic 'food' cannot go: 1 subscription chose it")
    assert await publication(db) == mias
    assert (await a_source(db)).state == SourceState.ACTIVE


async def test_what_only_those_chose_who_left_can_go(db: database.Database, now: datetime) -> None:
    mias = await a_publication(db, now)
    await subscribe(db, mias, now, frequency="weekly")
    async with db.transaction() as connection:
        left = models.SubscriptionState.UNSUBSCRIBED
        await connection.execute(sa.update(models.Subscription).values(state=left))
    applied = await apply.apply(db, a_spec(frequencies=[{"frequency": "daily"}]), now)
    assert applied.changed == ("frequencies",)


async def test_a_source_that_is_no_address_leaves_nothing_behind(db: database.Database, now: datetime) -> None:
    with pytest.raises(sources.SourceError):
        await apply.apply(db, a_spec(sources=[{"url": "gopher://x"}]), now)
    with pytest.raises(publications.PublicationError):
        await publication(db)
