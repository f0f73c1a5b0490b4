"""What there is to tell is remembered exactly as long as it is true."""

from datetime import timedelta

import pytest

from digest.articles.models import Article, ArticleState
from digest.audience import preferences
from digest.audience.models import TopicSet
from digest.editions import choose, contents
from digest.publications import Publication
from tests.support import cast, table

pytestmark = pytest.mark.anyio

H, L = ("heart",), ("lungs",)
EVERYTHING = choose.Reach(None, 0, 3)


@pytest.fixture
async def publication(db):
    publication = await cast.a_publication(db, min_items=4, max_wait_days=1)
    await cast.some_articles(db, publication.id, H, L, H)
    await table.change(db, Article, released_at=cast.NOW)
    return publication


@pytest.fixture
def shelves():
    return contents.Shelves()


async def get(db, shelves, publication, above=0):
    async with db.reading() as connection:
        return await shelves.get(connection, publication.id, above=above)


def positions(shelf):
    return [candidate.position for candidate in shelf.candidates]


async def test_a_shelf_is_kept_until_something_changes(db, shelves, publication):
    first = await get(db, shelves, publication)
    assert await get(db, shelves, publication) is first
    assert await get(db, shelves, publication, above=2) is first  # reaches down far enough
    await table.change(db, Publication, head=4)
    assert await get(db, shelves, publication) is not first


async def test_what_is_retracted_is_gone_with_the_next_revision(db, shelves, publication):
    await get(db, shelves, publication)
    [article] = await table.rows(db, Article, position=2)
    await table.change(db, Article, article.id, state=ArticleState.RETRACTED)
    await table.change(db, Publication, revision=1)
    assert positions(await get(db, shelves, publication)) == [1, 3]


async def test_a_shelf_reaches_as_far_down_as_was_asked(db, shelves, publication):
    assert positions(await get(db, shelves, publication, above=2)) == [3]
    assert positions(await get(db, shelves, publication, above=1)) == [2, 3]
    assert positions(await get(db, shelves, publication, above=2)) == [2, 3]


async def test_articles_without_a_position_are_not_there(db, shelves, publication):
    [article] = await table.rows(db, Article, position=3)
    await table.change(db, Article, article.id, position=None, state=ArticleState.WAITING)
    assert positions(await get(db, shelves, publication)) == [1, 2]


async def test_instant_waits_for_no_minimum(db, shelves, publication):
    shelf = await get(db, shelves, publication)
    assert isinstance(shelf.choose(EVERYTHING, cast.NOW), choose.Waiting)
    assert isinstance(shelf.choose(EVERYTHING, cast.NOW, is_instant=True), choose.Chosen)
    assert isinstance(shelf.choose(EVERYTHING, cast.NOW + timedelta(days=1)), choose.Chosen)


async def test_a_new_spec_counts_from_its_revision_on(db, shelves, publication):
    await get(db, shelves, publication)
    await table.change(db, Publication, revision=1, spec=cast.a_spec(min_items=3).model_dump(mode="json"))
    shelf = await get(db, shelves, publication)
    assert isinstance(shelf.choose(EVERYTHING, cast.NOW), choose.Chosen)


async def test_topics_of_a_set_are_asked_for_once(db, publication):
    topics = contents.Topics()
    async with db.transaction() as connection:
        id_ = await preferences.topic_set_id(connection, publication.id, ["sleep", "heart"])
        assert await topics.get(connection, None) is None
        assert await topics.get(connection, id_) == {"heart", "sleep"}
    await table.change(db, TopicSet, topics=[])
    async with db.reading() as connection:
        assert await topics.get(connection, id_) == {"heart", "sleep"}
