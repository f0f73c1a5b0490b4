"""Sources named, added by hand, ended, and files read."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from digest import database
from digest.articles import poll, sources
from digest.articles.models import SourceState
from tests.support import feedserver
from tests.support.feeds import FETCHER, a_feed, a_publication, a_source, an_item, answer, articles, bring_in, positions
from tests.support.feedserver import Reply

pytestmark = pytest.mark.anyio
LATER = timedelta(minutes=16)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (" https://feed.example/rss ", "https://feed.example/rss"),
        ("http://me:secret@feed.example/", "http://me:secret@feed.example/"),
        ("file:///srv/a%20feed.xml", "file:///srv/a%20feed.xml"),
        ("/srv/a feed.xml", "file:///srv/a%20feed.xml"),
        ("feed.xml", (Path.cwd() / "feed.xml").as_uri()),
    ],
)
def test_a_source_has_one_spelling(written: str, kept: str) -> None:
    assert sources.address(written) == kept
    assert sources.address(kept) == kept


@pytest.mark.parametrize(
    "written",
    ["", "ftp://feed.example/rss", "https://", "javascript:alert(1)", "file://other.host/feed", "a\x00b", "/x" * 2000],
)
def test_what_is_no_address_is_refused_in_plain_words(written: str) -> None:
    with pytest.raises(sources.SourceError, match="give an http or https URL, or a file"):
        sources.address(written)


async def test_an_address_ingested_is_fetched_at_once_and_polled_from_then_on(
    db: database.Database, now: datetime
) -> None:
    with feedserver.serve({"/feed": [answer(an_item("a", now)), answer(an_item("b", now))]}) as server:
        publication = await a_publication(db, now)
        assert await sources.ingest(db, FETCHER, publication, server.url("/feed"), now) == poll.Polled(new=1)
        assert await sources.ingest(db, FETCHER, publication, server.url("/feed"), now) == poll.Polled(new=1)
        assert await bring_in(db, now) == poll.Polled()
        await bring_in(db, now + LATER)
        assert len(server.requests) == 3


async def test_a_file_is_read_when_asked_for_and_not_polled(
    db: database.Database, now: datetime, tmp_path: Path
) -> None:
    path = tmp_path / "a feed.xml"
    path.write_bytes(a_feed(an_item("a", now)))
    publication = await a_publication(db, now)
    assert (await sources.ingest(db, FETCHER, publication, str(path), now)).new == 1
    path.write_bytes(a_feed(an_item("b", now)))
    assert await bring_in(db, now + timedelta(days=2)) == poll.Polled()
    assert (await sources.ingest(db, FETCHER, publication, path.as_uri(), now)).new == 1
    assert await positions(db) == ["a"]


async def test_a_file_named_in_the_publication_is_polled(db: database.Database, now: datetime, tmp_path: Path) -> None:
    path = tmp_path / "feed.xml"
    path.write_bytes(a_feed(an_item("a", now)))
    await sources.ingest(db, FETCHER, await a_publication(db, now), str(path), now)
    await a_publication(db, now, str(path))
    path.write_bytes(a_feed(an_item("b", now)))
    assert (await bring_in(db, now + LATER)).new == 1
    path.unlink()
    assert "No such file" in (await bring_in(db, now + timedelta(days=1))).reasons[0]


async def test_relative_addresses_in_a_file_lead_nowhere_and_are_left_out(
    db: database.Database, now: datetime, tmp_path: Path
) -> None:
    path = tmp_path / "feed.xml"
    path.write_bytes(a_feed(an_item("a", now, link="a.html", description="<p>See <img src='a.png'>this</p>")))
    await sources.ingest(db, FETCHER, await a_publication(db, now), str(path), now)
    row = (await articles(db))["a"]
    assert (row.url, row.image_url, row.body) == (None, None, "<p>See this</p>")


async def test_a_file_that_is_not_there_leaves_no_source(db: database.Database, now: datetime) -> None:
    publication = await a_publication(db, now)
    with pytest.raises(sources.SourceError, match=r"there is no file .*feed\.example/rss; a web address begins with"):
        await sources.ingest(db, FETCHER, publication, "feed.example/rss", now)
    async with db.reading() as connection:
        assert not await sources.listing(connection)


async def test_a_private_host_is_refused_with_a_recorded_reason(db: database.Database, now: datetime) -> None:
    publication = await a_publication(db, now)
    polled = await sources.ingest(db, FETCHER, publication, "http://10.0.0.1/feed", now)
    assert polled.set_aside == 1
    assert "not on the public Internet" in (await a_source(db)).reason


async def test_a_password_is_not_shown_with_the_reason(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": Reply(401)}) as server:
        address = server.url("/feed", host="me:secret@127.0.0.1")
        polled = await sources.ingest(db, FETCHER, await a_publication(db, now), address, now)
    assert polled.reasons == (f"{server.url('/feed')}: the server asks for a password",)


async def test_a_source_that_ended_comes_back_when_ingested(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": [Reply(410), answer(an_item("a", now))]}) as server:
        publication = await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        assert (await sources.ingest(db, FETCHER, publication, server.url("/feed"), now)).new == 1
    source = await a_source(db)
    assert (source.state, source.reason) == (SourceState.ACTIVE, None)


async def test_a_source_is_found_by_number_or_address(db: database.Database, now: datetime) -> None:
    await a_publication(db, now, "https://feed.example/rss")
    assert (await a_source(db, "1")).id == (await a_source(db, "https://feed.example/rss")).id
    with pytest.raises(sources.SourceError, match="no source '7'"):
        await a_source(db, "7")


async def test_an_address_of_two_publications_asks_for_the_number(db: database.Database, now: datetime) -> None:
    for slug in ("mias", "other"):
        await a_publication(db, now, "https://feed.example/rss", slug=slug)
    with pytest.raises(sources.SourceError, match="use one of the numbers 1, 2"):
        await sources.release(db, "https://feed.example/rss")
