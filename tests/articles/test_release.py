"""Positions are given once, in commit order, when an Article's time has come."""

import asyncio
import itertools
from datetime import timedelta

import pytest
import sqlalchemy as sa

from digest import database, publications
from digest.articles import models, release
from digest.articles.models import Article, ArticleState
from digest.publications import Publication
from tests.support import cast, table

pytestmark = pytest.mark.anyio

NUMBERS = itertools.count(1)


async def a_source(db, publication):
    return await table.add(db, models.Source, publication_id=publication.id, address="x", fetch_url="x")


async def an_article(db, publication, source_id, name="", **values):
    name = name or f"article-{next(NUMBERS)}"
    usual = {"title": name, "content_hash": name, "fingerprint": name, "release_at": cast.NOW}
    usual |= {"created_at": cast.NOW, "updated_at": cast.NOW, "publication_id": publication.id, "source_id": source_id}
    return await table.add(db, Article, **(usual | values))


@pytest.fixture
async def publication(db):
    return await cast.a_publication(db)


@pytest.fixture
async def source_id(db, publication):
    return await a_source(db, publication)


async def in_order(db):
    """Titles by position, which are 1, 2, 3 … without a gap."""
    rows = [row for row in await table.rows(db, Article) if row.position]
    rows.sort(key=lambda row: row.position)
    assert [row.position for row in rows] == list(range(1, len(rows) + 1))
    assert (await table.row(db, Publication)).head == len(rows)
    return [row.title for row in rows]


async def test_positions_follow_the_due_time_then_the_date_then_arrival(db, publication, source_id):
    hour = timedelta(hours=1)
    for name, release_at, published_at in [
        ("later", cast.NOW, None),
        ("undated", cast.NOW - hour, None),
        ("old", cast.NOW - hour, cast.NOW - 9 * hour),
        ("older", cast.NOW - hour, cast.NOW - 10 * hour),
        ("undated too", cast.NOW - hour, None),
    ]:
        await an_article(db, publication, source_id, name, release_at=release_at, published_at=published_at)
    assert await release.run(db, cast.NOW) == 5
    assert await in_order(db) == ["older", "old", "undated", "undated too", "later"]


async def test_future_dated_articles_are_released_when_their_time_comes_back_dated_ones_when_they_arrive(
    db, publication, source_id
):
    tomorrow = cast.NOW + timedelta(days=1)
    await an_article(db, publication, source_id, "tomorrow", release_at=tomorrow, published_at=tomorrow)
    await an_article(db, publication, source_id, "last year", published_at=cast.NOW - timedelta(days=365))
    assert await release.run(db, tomorrow - timedelta(seconds=1)) == 1
    assert await in_order(db) == ["last year"]
    assert await release.run(db, tomorrow) == 1
    assert await in_order(db) == ["last year", "tomorrow"]


async def test_a_position_once_given_never_changes(db, publication, source_id):
    ids = [await an_article(db, publication, source_id) for _ in range(3)]
    await release.run(db, cast.NOW)
    before = await in_order(db)
    # Edited, dated anew, other topics: no matter.
    await table.change(db, Article, ids[0], published_at=cast.NOW + timedelta(days=9), topics=["sleep"], version=2)
    await table.change(db, Article, ids[1], release_at=cast.NOW + timedelta(days=9))
    await table.change(db, Article, ids[2], state=ArticleState.RETRACTED)
    assert await release.run(db, cast.NOW + timedelta(days=10)) == 0
    assert await in_order(db) == before


@pytest.mark.parametrize("state", [ArticleState.HELD, ArticleState.ARCHIVED, ArticleState.RETRACTED])
async def test_only_waiting_articles_are_released(db, publication, source_id, state):
    await an_article(db, publication, source_id, state=state)
    assert await release.run(db, cast.NOW) == 0
    assert await in_order(db) == []


async def test_each_publication_counts_by_itself(db, publication, source_id):
    spec = cast.a_spec(slug="other").model_dump(mode="json")
    other = await table.add(db, Publication, slug="other", spec=spec, created_at=cast.NOW, applied_at=cast.NOW)
    async with db.reading() as connection:
        others = await publications.get(connection, "other")
    await an_article(db, publication, source_id)
    await an_article(db, others, await a_source(db, others))
    assert await release.run(db, cast.NOW) == 2
    assert await table.column(db, Article.position) == [1, 1]
    assert (await table.row(db, Publication, id=other)).head == 1


async def test_more_than_one_transaction_holds_is_released_in_several(db, publication, source_id, monkeypatch):
    monkeypatch.setattr(release, "AT_ONCE", 2)
    names = [f"n{number}" for number in range(5)]
    for name in names:
        await an_article(db, publication, source_id, name)
    assert await release.run(db, cast.NOW) == 5
    assert await in_order(db) == names


async def test_positions_come_in_commit_order_however_many_nodes_release(db, db_url, publication, source_id):
    """Whoever reads the head first and the Articles after sees all of them up to it."""
    nodes = [database.connect(db_url, pool_size=2) for _ in range(4)]
    done = asyncio.Event()

    async def publish_and_release(node):
        for _ in range(6):
            await an_article(node, publication, source_id)
            await release.run(node, cast.NOW)

    async def watch():
        looks = 0
        while not done.is_set():
            async with db.reading() as connection:
                head = await connection.scalar(sa.select(Publication.head))
            async with db.reading() as connection:
                below = sa.select(sa.func.count()).where(Article.position <= head)
                assert await connection.scalar(below) == head
            looks += 1
            await asyncio.sleep(0.005)
        return looks

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(publish_and_release(node) for node in nodes))
    done.set()
    assert await watching > 1
    assert len(await in_order(db)) == 24
    for node in nodes:
        await node.close()
