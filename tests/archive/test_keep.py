"""The pass that writes Pages: they tile the sequence whoever writes them, and whatever is changed in between."""

import asyncio
import random
from datetime import UTC, date, datetime, timedelta
from itertools import groupby, pairwise

import pytest
from structlog import testing

from digest.archive import keep
from digest.articles.models import ArticleState
from digest.publications import Publication
from tests.support import archive, cast, table

pytestmark = pytest.mark.anyio
MONDAY = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FREQUENCIES = ("instant", "daily", "weekdays", "weekly", "fortnightly", "monthly")


async def keep_all(db, now: datetime) -> None:
    while await keep.run(db, now):
        pass


async def assert_tiled(db) -> None:
    """Each Page begins where the one before ended, and tells what had come by then."""
    positions = await archive.positions(db)
    for _, group in groupby(await archive.pages(db), lambda page: page.frequency):
        pages = list(group)
        assert pages[0].above == 0
        assert all(one.upto == other.above and one.due_at < other.due_at for one, other in pairwise(pages))
        for page in pages:
            assert page.above < page.upto
            told = [positions[position] for position in range(page.above + 1, page.upto + 1)]
            assert all(article.release_at <= page.due_at for article in told)


async def test_each_frequency_gets_its_pages(db):
    publication = await cast.a_publication(db, archive="listed")
    await archive.articles_at(db, publication, *(MONDAY + DAY * n for n in range(8)))
    assert await keep.run(db, MONDAY + DAY * 8) == 8 + 8 + 1
    assert await keep.run(db, MONDAY + DAY * 8) == 0
    daily, weekly = await archive.pages(db, "daily"), await archive.pages(db, "weekly")
    assert [page.date for page in daily] == [date(2026, 11, 3 + n) for n in range(8)]
    assert [(page.date, page.above, page.upto) for page in weekly] == [(date(2026, 11, 9), 0, 7)]
    await assert_tiled(db)


async def test_who_has_no_archive_gets_no_pages_until_it_is_switched_on(db):
    publication = await cast.a_publication(db)
    await archive.articles_at(db, publication, MONDAY, MONDAY + DAY)
    assert await keep.run(db, MONDAY + 9 * DAY) == 0
    await archive.apply(db, publication, archive="unlisted")
    await keep.run(db, MONDAY + 9 * DAY)
    assert [page.date.day for page in await archive.pages(db, "daily")] == [3, 4]


async def test_a_page_never_changes_once_it_is_written(db):
    publication = await cast.a_publication(db, archive="listed")
    ids = await archive.articles_at(db, publication, MONDAY, MONDAY + DAY, MONDAY + 2 * DAY)
    await keep.run(db, MONDAY + 9 * DAY)
    before = await archive.pages(db)
    await archive.set_article(db, ids[1], state=ArticleState.RETRACTED)
    await archive.apply(db, publication, timezone="Pacific/Apia", min_items=3, frequencies=[{"frequency": "daily"}])
    assert await keep.run(db, MONDAY + 20 * DAY) == 0
    assert await archive.pages(db) == before


async def test_a_retracted_article_makes_no_page(db):
    publication = await cast.a_publication(db, archive="listed", frequencies=[{"frequency": "daily"}])
    ids = await archive.articles_at(db, publication, MONDAY, MONDAY + DAY, MONDAY + 2 * DAY)
    await archive.set_article(db, ids[0], state=ArticleState.RETRACTED)
    await keep.run(db, MONDAY + 9 * DAY)
    assert [(page.date.day, page.above, page.upto) for page in await archive.pages(db)] == [(4, 0, 2), (5, 2, 3)]


async def test_the_newest_lead_and_no_more_are_named_than_a_list_has_room_for(db):
    publication = await cast.a_publication(db, archive="listed", frequencies=[{"frequency": "weekly"}])
    ids = await archive.articles_at(db, publication, *(MONDAY + HOUR * n for n in range(14)))
    await archive.set_article(db, ids[3], published_at=MONDAY + DAY)
    await keep.run(db, MONDAY + 9 * DAY)
    [page] = await archive.pages(db)
    assert page.leads == [ids[3], *reversed(ids[5:])]


async def test_a_long_backlog_is_written_in_pieces_without_a_seam(db, monkeypatch):
    monkeypatch.setattr(keep, "AT_ONCE", 3)
    frequencies = [{"frequency": name} for name in ("daily", "weekly", "monthly")]
    publication = await cast.a_publication(db, archive="listed", frequencies=frequencies)
    await archive.articles_at(db, publication, *(MONDAY + 7 * HOUR * n for n in range(60)))
    await keep_all(db, MONDAY + 60 * DAY)
    pieces = await archive.pages(db)
    assert [(page.above, page.upto) for page in pieces if page.frequency == "monthly"] == [(0, 60)]
    assert {page.frequency: page.upto for page in pieces} == {"daily": 60, "weekly": 60, "monthly": 60}
    await assert_tiled(db)


async def test_nodes_that_write_at_once_write_the_same(db):
    publication = await cast.a_publication(db, archive="listed")
    await archive.articles_at(db, publication, *(MONDAY + 5 * HOUR * n for n in range(40)))
    counts = await asyncio.gather(*(keep.run(db, MONDAY + 20 * DAY) for _ in range(4)))
    assert sum(counts) == len(await archive.pages(db))
    await assert_tiled(db)


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_the_publisher_changes_no_article_is_lost_between_pages(db, seed):
    """Offers, zones and minimums change; the pass runs when it happens to, and Articles come as they please."""
    chance, now = random.Random(seed), MONDAY
    publication = await cast.a_publication(db, archive="listed")
    for _ in range(25):
        now += timedelta(hours=chance.expovariate(1 / 20))
        match chance.randrange(4):
            case 0:
                offers = [
                    {
                        "frequency": frequency,
                        "weekday": chance.choice(("monday", "thursday", "sunday")),
                        "send_at": f"{chance.randrange(24):02}:{chance.randrange(60):02}",
                    }
                    for frequency in chance.sample(FREQUENCIES, chance.randint(1, 4))
                ]
                zone = chance.choice(("UTC", "Pacific/Apia", "America/New_York", "Asia/Kathmandu"))
                await archive.apply(
                    db, publication, frequencies=offers, timezone=zone, min_items=chance.randint(1, 3), max_wait_days=2
                )
            case 1:
                await keep.run(db, now)
            case _:
                await archive.articles_at(db, publication, *[now] * chance.randint(1, 3))
    everything = [{"frequency": frequency} for frequency in FREQUENCIES]
    await archive.apply(db, publication, frequencies=everything, timezone="UTC", min_items=1)
    await keep_all(db, now + 60 * DAY)
    last = {page.frequency: page.upto for page in await archive.pages(db)}
    assert last == dict.fromkeys(FREQUENCIES, len(await archive.positions(db)))
    await assert_tiled(db)


async def test_a_publication_whose_row_is_broken_holds_up_no_other(db):
    broken = await cast.a_publication(db, archive="listed")
    sound = await cast.a_publication(db, slug="other", archive="listed")
    for publication in (broken, sound):
        await archive.articles_at(db, publication, MONDAY)
    await table.change(db, Publication, broken.id, spec=broken.spec | {"name": ""})
    with testing.capture_logs() as logs:
        await keep.run(db, MONDAY + DAY)
    assert {page.publication_id for page in await archive.pages(db)} == {sound.id}
    assert [(line["event"], line["publication"]) for line in logs] == [("archive_set_aside", "mias-feed")]
