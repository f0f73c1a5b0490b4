"""What becomes of the items of a feed, told through polling and release: news, updates, the past, and the held."""

import asyncio
import dataclasses
from datetime import datetime, timedelta

import pytest

from digest import database
from digest.articles import changes, poll, release, sources
from digest.articles.models import ArticleState
from tests.support import feedserver
from tests.support.feeds import (
    FETCHER,
    a_publication,
    a_source,
    an_item,
    answer,
    articles,
    bring_in,
    positions,
    publication,
)
from tests.support.feedserver import Reply

pytestmark = pytest.mark.anyio
LATER = timedelta(minutes=16)


async def brought(db: database.Database, now: datetime, *replies: Reply) -> list[poll.Polled]:
    """One feed that gives these answers, polled as often."""
    with feedserver.serve({"/feed": list(replies)}) as server:
        await a_publication(db, now, server.url("/feed"))
        return [await bring_in(db, now + number * LATER) for number in range(len(replies))]


async def test_an_edited_item_is_an_update_at_its_old_position(db: database.Database, now: datetime) -> None:
    edited = an_item("a", now, title="A better title", category="Cardiology")
    polled = await brought(db, now, answer(an_item("b", now), an_item("a", now)), answer(an_item("b", now), edited))
    assert polled[1] == poll.Polled(updated=1)
    found = await articles(db)
    row = found["A better title"]
    assert (row.position, row.version, row.topics, row.updated_at) == (1, 2, ["heart"], now + LATER)
    assert (found["b"].position, found["b"].version) == (2, 1)
    assert (await publication(db)).revision == 1


async def test_a_re_dated_item_is_no_news(db: database.Database, now: datetime) -> None:
    polled = await brought(db, now, answer(an_item("a", now)), answer(an_item("a", now + LATER)))
    assert polled[1] == poll.Polled(updated=1)
    assert (await positions(db), (await publication(db)).head) == (["a"], 1)


async def test_a_feed_fetched_again_and_again_changes_nothing(db: database.Database, now: datetime) -> None:
    same = answer(an_item("a", now, guid=None), an_item("b", now, link=None, guid=None), an_item("c", now))
    polled = await brought(db, now, same, same, same)
    assert polled == [poll.Polled(new=3), poll.Polled(), poll.Polled()]
    assert (await publication(db)).revision == 0


async def test_an_item_without_guid_or_own_link_is_known_by_its_words(db: database.Database, now: datetime) -> None:
    bare = [an_item(name, now, guid=None, link="https://feed.example/") for name in "ab"]
    polled = await brought(db, now, answer(*bare), answer(*bare, an_item("c", now)))
    assert [one.new for one in polled] == [2, 1]


async def test_an_item_that_gets_a_guid_later_is_the_same_article(db: database.Database, now: datetime) -> None:
    polled = await brought(db, now, answer(an_item("a", now, guid=None)), answer(an_item("a", now)))
    assert polled[1] == poll.Polled(updated=1)
    assert (await articles(db))["a"].guid == "a"


async def test_a_guid_that_stands_twice_in_a_document_is_one_article(db: database.Database, now: datetime) -> None:
    (polled,) = await brought(db, now, answer(an_item("a", now), an_item("a", now, title="Again")))
    assert polled.new == 1
    assert list(await articles(db)) == ["a"]


async def test_guids_of_any_length_and_script_are_kept_apart(db: database.Database, now: datetime) -> None:
    names = ["x" * 9000 + end for end in "ab"] + ["血" * 499, "é" * 499]
    items = [an_item(str(n), now, guid=name, link=f"https://feed.example/{name}") for n, name in enumerate(names)]
    polled = await brought(db, now, answer(*items), answer(*items))
    assert polled == [poll.Polled(new=4), poll.Polled()]


async def test_one_story_in_two_sources_is_one_article(db: database.Database, now: datetime) -> None:
    other = an_item("other", now, title="Other words", link="http://feed.example/a/?utm_source=x")
    with feedserver.serve({"/1": answer(an_item("a", now)), "/2": answer(other)}) as server:
        await a_publication(db, now, server.url("/1"), server.url("/2"))
        assert await bring_in(db, now) == poll.Polled(new=1)
        assert await bring_in(db, now + LATER) == poll.Polled()
    assert list(await articles(db)) == ["a"]


async def test_one_story_fetched_from_two_hosts_at_once_is_one_article(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(*(an_item(str(n), now) for n in range(30)))}) as server:
        await a_publication(db, now, server.url("/feed"), server.url("/feed", host="localhost"))
        polled = await bring_in(db, now)
    assert polled.new == 30
    assert len(await positions(db)) == 30


async def test_a_future_dated_item_is_released_when_its_time_comes(db: database.Database, now: datetime) -> None:
    await brought(db, now, answer(an_item("now", now), an_item("later", now + timedelta(days=2))))
    assert await positions(db) == ["now"]
    await release.run(db, now + timedelta(days=2, seconds=-1))
    assert await positions(db) == ["now"]
    await release.run(db, now + timedelta(days=2))
    assert await positions(db) == ["now", "later"]


async def test_a_new_date_moves_the_release_of_what_still_waits(db: database.Database, now: datetime) -> None:
    soon, late = an_item("a", now + timedelta(hours=1)), an_item("a", now + timedelta(days=3))
    await brought(db, now, answer(soon), answer(late))
    assert (await articles(db))["a"].release_at == now + timedelta(days=3)
    assert (await publication(db)).revision == 0


async def test_a_back_dated_item_is_released_when_it_arrives(db: database.Database, now: datetime) -> None:
    old = an_item("old", now - timedelta(days=400))
    await brought(db, now, answer(an_item("a", now)), answer(an_item("a", now), old))
    assert await positions(db) == ["a", "old"]


async def test_an_empty_publication_begins_with_its_newest_ten(db: database.Database, now: datetime) -> None:
    await brought(db, now, answer(*(an_item(f"{n:02}", now - timedelta(days=30 + n)) for n in range(15))))
    assert await positions(db) == [f"{n:02}" for n in range(9, -1, -1)]
    states = [row.state for row in (await articles(db)).values()]
    assert states == [ArticleState.ARCHIVED] * 5 + [ArticleState.RELEASED] * 10


async def test_the_newest_ten_are_those_of_all_first_sources_together(db: database.Database, now: datetime) -> None:
    old = {f"/{s}": answer(*(an_item(f"{s}{n}", now - timedelta(days=30 + n)) for n in range(6))) for s in range(3)}
    with feedserver.serve(old) as server:
        await a_publication(db, now, *map(server.url, old))
        await bring_in(db, now)
    assert len(await positions(db)) == 10


async def test_a_new_sources_past_is_archived(db: database.Database, now: datetime) -> None:
    replies = {
        "/1": answer(an_item("first", now)),
        "/2": answer(an_item("fresh", now - timedelta(days=6)), an_item("past", now - timedelta(days=8))),
    }
    with feedserver.serve(replies) as server:
        await a_publication(db, now, server.url("/1"))
        await bring_in(db, now)
        await a_publication(db, now, server.url("/1"), server.url("/2"))
        await bring_in(db, now)
    assert await positions(db) == ["first", "fresh"]
    assert (await articles(db))["past"].state == ArticleState.ARCHIVED


def many(now: datetime, count: int) -> Reply:
    return answer(*(an_item(f"{n:03}", now) for n in range(count)))


async def test_too_many_at_once_are_held_until_let_go(db: database.Database, now: datetime) -> None:
    (polled,) = await brought(db, now, many(now, 51))
    assert (polled.new, polled.held, await positions(db)) == (51, 51, [])
    async with db.reading() as connection:
        assert (await sources.listing(connection))[0].held == 51
    assert await sources.release(db, "1") == 51
    assert await sources.release(db, "1") == 0
    await release.run(db, now)
    assert await positions(db) == [f"{n:03}" for n in range(50, -1, -1)]


async def test_as_many_as_allowed_are_not_held(db: database.Database, now: datetime) -> None:
    (polled,) = await brought(db, now, many(now, 50))
    assert (polled.held, len(await positions(db))) == (0, 50)


async def test_what_comes_after_the_held_is_held_with_them(db: database.Database, now: datetime) -> None:
    few = dataclasses.replace(FETCHER, rules=changes.Rules(hold_above=2))
    three = [an_item(name, now) for name in "cba"]
    with feedserver.serve({"/feed": [answer(*three), answer(an_item("d", now), *three)]}) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now, few)
        assert (await bring_in(db, now + LATER, few)).held == 1
        assert await sources.release(db, server.url("/feed")) == 4
    await release.run(db, now + LATER)
    assert await positions(db) == ["a", "b", "c", "d"]


async def test_polling_while_releasing_gives_positions_without_gap(db: database.Database, now: datetime) -> None:
    feeds = {f"/{s}": answer(*(an_item(f"{s}-{n}", now) for n in range(20))) for s in range(6)}
    with feedserver.serve(feeds) as server:
        await a_publication(db, now, *map(server.url, feeds))
        ids = [(await a_source(db, str(number))).id for number in range(1, 7)]
        polls = [poll.one(db, FETCHER, id_, now) for id_ in ids]
        polled = await asyncio.gather(*polls, *(release.run(db, now) for _ in range(6)))
    await release.run(db, now)
    assert poll.total(polled[:6]).new == 120
    assert len(await positions(db)) == (await publication(db)).head == 120


async def test_letters_no_database_takes_do_no_harm(db: database.Database, now: datetime) -> None:
    body = r'{"version":"https://jsonfeed.org/version/1.1","title":"T \u0000 \ud800","items":[{"id":"\ud800\u0000a",'
    body += r'"title":"A \ud83d title \u0000","url":"https://feed.example/\udfff","content_text":"\u0000 \ud800 words",'
    body += r'"tags":["\ud800"],"authors":[{"name":"\ud800"}]}]}'
    polled = await brought(db, now, Reply(body=body.encode()), Reply(body=body.encode()))
    assert [(one.new, one.updated) for one in polled] == [(1, 0), (0, 0)]
