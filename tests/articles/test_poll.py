"""Sources on a real server, polled: what is asked, when, and what a Source remembers of it."""

import asyncio
import dataclasses
import itertools
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa

from digest import database
from digest.articles import poll, sources, store
from digest.articles.models import Fault, SourceState
from tests.support import feedserver
from tests.support.feeds import FETCHER, a_feed, a_publication, a_source, an_item, answer, articles, bring_in
from tests.support.feedserver import Reply

pytestmark = pytest.mark.anyio
LATER = timedelta(minutes=16)


async def test_a_new_feed_is_fetched_stored_and_released(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(an_item("b", now), an_item("a", now - timedelta(hours=1)))}) as server:
        await a_publication(db, now, server.url("/feed"))
        assert await bring_in(db, now) == poll.Polled(new=2)
    found = await articles(db)
    assert [(name, row.position, row.state) for name, row in found.items()] == [
        ("a", 1, "released"),
        ("b", 2, "released"),
    ]
    source = await a_source(db)
    assert (source.title, source.failures, source.reason, source.fetched_at) == ("A feed", 0, None, now)


async def test_a_source_is_left_alone_until_its_time_comes(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(an_item("a", now))}) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        assert await bring_in(db, now + timedelta(minutes=5)) == poll.Polled()
        assert len(server.requests) == 1
        assert await bring_in(db, now + LATER) == poll.Polled()
        assert len(server.requests) == 2


async def test_what_did_not_change_is_not_sent_again(db: database.Database, now: datetime) -> None:
    replies = [answer(an_item("a", now), ETag='"1"', Last_Modified="Mon, 02 Nov 2026 05:00:00 GMT"), Reply(304)]
    with feedserver.serve({"/feed": replies}) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        assert await bring_in(db, now + LATER) == poll.Polled()
        asked = server.requests[1].headers
    assert (asked["If-None-Match"], asked["If-Modified-Since"]) == ('"1"', "Mon, 02 Nov 2026 05:00:00 GMT")
    assert (await a_source(db)).fetched_at == now + LATER


async def test_gone_for_good_ends_a_source_with_its_reason(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": Reply(410)}) as server:
        await a_publication(db, now, server.url("/feed"))
        polled = await bring_in(db, now)
        await bring_in(db, now + timedelta(days=9))
        assert len(server.requests) == 1
    assert polled.set_aside == 1
    source = await a_source(db)
    assert (source.state, source.next_fetch_at) == (SourceState.ENDED, None)
    assert "410" in source.reason


async def test_where_a_feed_moved_for_good_is_remembered(db: database.Database, now: datetime) -> None:
    replies = {"/old": Reply(301, headers={"Location": "/new"}), "/new": answer(an_item("a", now))}
    with feedserver.serve(replies) as server:
        await a_publication(db, now, server.url("/old"))
        await bring_in(db, now)
        await bring_in(db, now + LATER)
        assert [request.path for request in server.requests] == ["/old", "/new", "/new"]
        assert (await a_source(db)).address == server.url("/old")


async def test_a_move_to_something_that_is_no_feed_is_not_remembered(db: database.Database, now: datetime) -> None:
    replies = {"/old": Reply(301, headers={"Location": "/login"}), "/login": Reply(body=b"<html>Log in</html>")}
    with feedserver.serve(replies) as server:
        await a_publication(db, now, server.url("/old"))
        assert (await bring_in(db, now)).set_aside == 1
        assert (await a_source(db)).fetch_url == server.url("/old")


async def test_a_moved_feed_that_is_lost_is_looked_for_at_its_old_address(db: database.Database, now: datetime) -> None:
    moved = Reply(301, headers={"Location": "/new"})
    replies = {
        "/old": [moved, answer(an_item("b", now))],
        "/new": [answer(an_item("a", now)), Reply(404)],
    }
    with feedserver.serve(replies) as server:
        await a_publication(db, now, server.url("/old"))
        for days in range(poll.FAILURES_BEFORE_RETURN + 2):
            polled = await bring_in(db, now + timedelta(days=days))
        assert polled.new == 1
        source = await a_source(db)
        assert (source.fetch_url, source.failures) == (server.url("/old"), 0)


async def test_failures_are_tried_again_ever_more_rarely(db: database.Database, now: datetime) -> None:
    waits, at = [], now
    with feedserver.serve({"/feed": Reply(500)}) as server:
        await a_publication(db, now, server.url("/feed"))
        for _ in range(8):
            assert (await bring_in(db, at)).set_aside == 1
            source = await a_source(db)
            waits.append(source.next_fetch_at - at)
            at = source.next_fetch_at
    assert all(shorter < longer for shorter, longer in itertools.pairwise(waits[:6]))
    assert timedelta(minutes=25) < waits[0] <= timedelta(minutes=30)
    assert waits[-1] <= timedelta(days=1)
    assert (source.failures, source.reason) == (8, "the server answered with status 500")


async def test_the_servers_wish_to_be_left_alone_is_heeded(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": Reply(503, headers={"Retry-After": "7200"})}) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
    assert (await a_source(db)).next_fetch_at == now + timedelta(hours=2)


async def test_a_page_leads_to_its_feed_and_the_way_is_remembered(db: database.Database, now: datetime) -> None:
    page = b'<!doctype html><html><head><link rel="alternate" type="application/rss+xml" href="/feed"></head></html>'
    with feedserver.serve({"/": Reply(body=page), "/feed": answer(an_item("a", now))}) as server:
        await a_publication(db, now, server.url("/"))
        assert (await bring_in(db, now)).new == 1
        await bring_in(db, now + LATER)
        assert [request.path for request in server.requests] == ["/", "/feed", "/feed"]


async def test_a_page_shown_for_once_does_not_lead_a_known_feed_away(db: database.Database, now: datetime) -> None:
    page = b'<!doctype html><html><head><link rel="alternate" type="application/rss+xml" href="/all"></head></html>'
    replies = {"/feed": [answer(an_item("a", now)), Reply(body=page)], "/all": answer(an_item("stranger", now))}
    with feedserver.serve(replies) as server:
        await a_publication(db, now, server.url("/feed"))
        await bring_in(db, now)
        polled = await bring_in(db, now + LATER)
    assert polled.reasons == (f"{server.url('/feed')}: this is an HTML page, not a feed",)
    assert list(await articles(db)) == ["a"]


async def test_a_broken_feed_is_set_aside_and_the_others_go_on(db: database.Database, now: datetime) -> None:
    replies = {"/broken": Reply(body=b"\x00\x01\x02 no feed"), "/empty": Reply(), "/good": answer(an_item("a", now))}
    with feedserver.serve(replies) as server:
        await a_publication(db, now, *(server.url(path) for path in ("/broken", "/empty", "/good")))
        polled = await bring_in(db, now)
    assert (polled.new, polled.set_aside, len(polled.reasons)) == (1, 2, 2)
    assert "binary" in (await a_source(db, "1")).reason


async def test_broken_items_are_kept_with_their_reason_until_the_next_fetch(
    db: database.Database, now: datetime
) -> None:
    replies = [answer(an_item("a", now), "<description></description>"), answer(an_item("a", now))]
    with feedserver.serve({"/feed": replies}) as server:
        await a_publication(db, now, server.url("/feed"))
        assert (await bring_in(db, now)).set_aside == 1
        async with db.reading() as connection:
            (fault,) = await sources.faults(connection, 1)
        assert (fault.place, fault.found_at) == ("item 2", now)
        assert "no title" in fault.reason
        await bring_in(db, now + LATER)
    async with db.reading() as connection:
        assert not await sources.faults(connection, 1)


async def test_of_endless_faults_some_are_kept_and_all_are_counted(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(*["<description></description>"] * 150)}) as server:
        await a_publication(db, now, server.url("/feed"))
        assert (await bring_in(db, now)).set_aside == 150
    async with db.reading() as connection:
        assert await connection.scalar(sa.select(sa.func.count()).select_from(Fault)) == store.MAX_FAULTS


async def test_two_nodes_do_not_fetch_the_same(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/feed": answer(an_item("a", now))}) as server:
        await a_publication(db, now, server.url("/feed"))
        polled = await asyncio.gather(*(poll.run(db, FETCHER, now) for _ in range(5)))
        assert len(server.requests) == 1
    assert poll.total(polled) == poll.Polled(new=1)


async def test_sources_of_one_host_wait_for_each_other(db: database.Database, now: datetime) -> None:
    with feedserver.serve({f"/{n}": Reply(body=a_feed(), chunks=(b" ",), trickle=0.05) for n in range(4)}) as server:
        paths = [server.url(f"/{n}") for n in range(4)]
        await a_publication(db, now, *paths, server.url("/0", host="localhost"))
        groups = await poll.due(db, now)
        assert [(group.host, group.ids) for group in groups] == [("127.0.0.1", (1, 2, 3, 4)), ("localhost", (5,))]


async def test_a_bug_in_one_source_is_shown_there_and_stops_no_other(db: database.Database, now: datetime) -> None:
    async def resolve(host: str) -> list[str]:
        raise KeyError("a bug")

    fetcher = dataclasses.replace(FETCHER, resolve=resolve)
    with feedserver.serve({"/1": answer(an_item("a", now)), "/2": answer(an_item("b", now))}) as server:
        await a_publication(db, now, server.url("/1", host="localhost"), server.url("/2"))
        with pytest.raises(ExceptionGroup) as raised:
            await poll.run(db, fetcher, now)
    assert raised.value.exceptions[0].__notes__ == ["while polling source 1"]
    assert list(await articles(db)) == ["b"]
    assert "KeyError" in (await a_source(db, "1")).reason
    assert (await a_source(db, "1")).next_fetch_at > now


async def test_a_source_ended_during_its_fetch_stays_ended(db: database.Database, now: datetime) -> None:
    async def ended_meanwhile(host: str) -> list[str]:
        await sources.end(db, "1")
        return ["127.0.0.1"]

    with feedserver.serve({"/feed": answer(an_item("a", now))}) as server:
        await a_publication(db, now, server.url("/feed", host="localhost"))
        polled = await poll.run(db, dataclasses.replace(FETCHER, resolve=ended_meanwhile), now)
    assert polled.new == 1
    assert (await a_source(db)).state == SourceState.ENDED
