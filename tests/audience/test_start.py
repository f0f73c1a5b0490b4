import pytest
import sqlalchemy as sa

from digest.articles import models as articles
from digest.audience import start
from tests.support import cast

pytestmark = pytest.mark.anyio
H, L = ("heart",), ("lungs",)


async def begin(db, publication, topics, first):
    async with db.reading() as connection:
        wanted = None if topics is None else frozenset(topics)
        return await start.covered_to(connection, publication.id, wanted, first)


@pytest.mark.parametrize(
    ("topics", "first", "covered_to"),
    [
        (None, 1, 5),  # the newest alone
        (None, 2, 4),
        (None, 6, 0),
        (None, 7, 0),  # fewer than wished for: all of them
        (H, 1, 4),
        (H, 2, 3),
        (H, 9, 0),
        (L, 1, 3),
        (("sleep",), 1, 0),
        (("heart", "lungs"), 2, 3),  # one Article counts once, whatever else it carries
        (None, 0, 6),  # nothing from before
        (H, 0, 6),
    ],
)
async def test_a_story_begins_just_below_the_nth_newest_matching_article(db, topics, first, covered_to):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, H, L, H, ("heart", "lungs"), H, ())
    assert await begin(db, publication, topics, first) == covered_to


async def test_retracted_articles_do_not_count(db):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, H, H, H)
    async with db.transaction() as connection:
        retracted = sa.update(articles.Article).values(state=articles.ArticleState.RETRACTED)
        await connection.execute(retracted.where(articles.Article.position == 3))
    assert await begin(db, publication, None, 1) == 1


async def test_a_rare_topic_is_found_deep_in_the_archive(db, monkeypatch):
    monkeypatch.setattr(start, "PAGE", 3)
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, L, H, *[L] * 9)
    assert await begin(db, publication, H, 1) == 1
    assert await begin(db, publication, H, 2) == 0


async def test_an_empty_publication_begins_at_nothing(db):
    publication = await cast.a_publication(db)
    assert [await begin(db, publication, None, first) for first in (0, 5)] == [0, 0]
