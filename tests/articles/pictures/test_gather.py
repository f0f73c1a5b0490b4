"""Pictures on a real server, looked at by the pass: what is asked for, and what an Article knows afterwards."""

import asyncio
import dataclasses
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from digest import database
from digest.articles import fetch, models, poll
from digest.articles.pictures import gather, prune
from digest.audience import apply
from tests.support import drawings, feedserver
from tests.support.drawings import GATHERER, LATER, SHY, shown
from tests.support.feeds import FETCHER, LIMITS, a_feed, a_publication, a_spec, an_item, articles, bring_in, publication
from tests.support.feedserver import Reply, Server

pytestmark = pytest.mark.anyio
JPEG = drawings.a_picture(size=(1600, 1200))


async def an_article(db: database.Database, now: datetime, server: Server, picture: str = "/a.jpg", **spec: Any) -> Any:
    """A polled and released Article with this picture."""
    kind = "image/webp" if picture.endswith("webp") else "image/jpeg"
    url = picture if "://" in picture else server.url(picture)
    server.replies["/feed"] = Reply(body=a_feed(an_item("a", now) + shown(url, kind)))
    await a_publication(db, now, server.url("/feed"), **spec)
    await bring_in(db, now)
    return (await articles(db))["a"]


async def the_article(db: database.Database) -> Any:
    return (await articles(db))["a"]


async def copies(db: database.Database) -> list[Any]:
    async with db.reading() as connection:
        return list((await connection.execute(sa.select(models.Picture))).all())


async def test_a_picture_is_measured_by_its_beginning(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        before = await an_article(db, now, server)
        assert (before.image_width, before.image_due_at) == (0, now)
        assert await gather.run(db, GATHERER, now) == gather.Gathered(measured=1)
        assert server.requests[-1].headers["Range"] == f"bytes=0-{256 * 1024 - 1}"
    row = await the_article(db)
    assert (row.image_width, row.image_height, row.image_kind) == (1600, 1200, "jpeg")
    assert (row.image_copy, row.image_due_at, row.image_fault, row.version) == (None, None, None, 2)
    assert (await publication(db)).revision == 1


async def test_a_picture_of_many_megabytes_is_in_no_mail(db: database.Database, now: datetime) -> None:
    heavy = Reply(206, body=JPEG, headers={"Content-Range": f"bytes 0-{len(JPEG) - 1}/20000000"})
    with feedserver.serve({"/a.jpg": heavy}) as server:
        await an_article(db, now, server)
        assert await gather.run(db, GATHERER, now) == gather.Gathered(measured=1)
    row = await the_article(db)
    assert (row.image_kind, row.image_width) == ("heavy", 1600)


async def test_nobody_is_asked_where_nothing_is_to_be_known(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        await an_article(db, now, server)
        assert await gather.run(db, SHY, now) == gather.Gathered()
        assert [request.path for request in server.requests] == ["/feed"]
    row = await the_article(db)
    assert (row.image_due_at, row.version, row.image_url) == (None, 1, server.url("/a.jpg"))


async def test_a_copy_is_made_of_mails_width(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        await an_article(db, now, server, images="rehost")
        assert await gather.run(db, SHY, now) == gather.Gathered(copied=1)
    row, [copy] = await the_article(db), await copies(db)
    assert (row.image_copy, row.image_width, row.image_height) == (copy.name, 1072, 804)
    assert (copy.width, copy.height, copy.made_at) == (1072, 804, now)
    assert (row.version, (await publication(db)).revision) == (2, 1)


async def test_equal_pictures_are_kept_once(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG), "/b.jpg": Reply(body=JPEG)}) as server:
        items = [an_item(name, now) + shown(server.url(f"/{name}.jpg")) for name in "ab"]
        server.replies["/feed"] = Reply(body=a_feed(*items))
        await a_publication(db, now, server.url("/feed"), images="rehost")
        await bring_in(db, now)
        assert await gather.run(db, SHY, now) == gather.Gathered(copied=2)
    assert len(await copies(db)) == 1


async def test_what_the_feed_changes_otherwise_leaves_the_picture_alone(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        before = await an_article(db, now, server, images="rehost")
        await gather.run(db, SHY, now)
        changed = an_item("a", now, description="Other words.") + shown(before.image_url)
        server.replies["/feed"] = Reply(body=a_feed(changed))
        await bring_in(db, now + LATER)
        same = await the_article(db)
        assert (same.standfirst, same.image_width, same.image_due_at) == ("Other words.", 1072, None)
        assert same.image_copy
        server.replies["/feed"] = Reply(body=a_feed(an_item("a", now) + shown(server.url("/b.jpg"))))
        await bring_in(db, now + 2 * LATER)
    other = await the_article(db)
    assert (other.image_copy, other.image_width, other.image_due_at) == (None, 0, now + 2 * LATER)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (Reply(404), "there is nothing at this address"),
        (Reply(body=b"<html>Please log in</html>"), "what its address answers is no picture"),
        (Reply(body=drawings.a_bomb()), "no copy could be made: it has 60000 × 60000 pixels, more than anybody needs"),
        (Reply(body=JPEG[:5000]), "no copy could be made: it is damaged, or no picture"),
        (Reply(body=drawings.SVG), "no copy could be made: it is damaged, or no picture"),
        (Reply(chunks=(b"\xff\xd8\xff", bytes(300_000))), "the body is larger than allowed"),
        (Reply(302, headers={"Location": "http://10.0.0.1/a.jpg"}), "is not on the public Internet"),
        (Reply(302, headers={"Location": "file:///etc/passwd"}), "redirects to no web address"),
    ],
    ids=["gone", "page", "bomb", "cut", "svg", "large", "private", "file"],
)
async def test_what_is_no_use_is_not_asked_for_again(
    db: database.Database, now: datetime, reply: Reply, reason: str
) -> None:
    small = dataclasses.replace(SHY, limits=dataclasses.replace(LIMITS, max_bytes=200_000))
    with feedserver.serve({"/a.jpg": reply}) as server:
        await an_article(db, now, server, images="rehost")
        assert await gather.run(db, small, now) == gather.Gathered(failed=1)
    row = await the_article(db)
    assert reason in row.image_fault
    assert (row.image_url, row.image_copy, row.image_due_at) == (server.url("/a.jpg"), None, None)
    assert (await publication(db)).revision == 0


async def test_a_server_that_fails_for_a_while_is_asked_again_and_then_no_more(
    db: database.Database, now: datetime
) -> None:
    waits = []
    with feedserver.serve({"/a.jpg": Reply(503)}) as server:
        await an_article(db, now, server, images="rehost")
        while (row := await the_article(db)).image_due_at:
            waits.append(row.image_due_at - now)
            now = row.image_due_at
            await gather.run(db, SHY, now)
        assert (row.image_tries, row.image_fault) == (4, "the server answered with status 503")
    assert waits == [timedelta(0), *(timedelta(minutes=minutes) for minutes in (15, 60, 240))]


async def test_a_slow_server_holds_up_nobody_for_long(db: database.Database, now: datetime) -> None:
    drip = Reply(body=JPEG[:100], chunks=(b"x",) * 1000, trickle=0.1)
    brief = dataclasses.replace(SHY, limits=dataclasses.replace(LIMITS, total=timedelta(seconds=0.3)))
    with feedserver.serve({"/a.jpg": drip, "/b.jpg": drip}) as server:
        items = [an_item(name, now) + shown(server.url(f"/{name}.jpg")) for name in "ab"]
        server.replies["/feed"] = Reply(body=a_feed(*items))
        await a_publication(db, now, server.url("/feed"), images="rehost")
        await bring_in(db, now)
        short = dataclasses.replace(brief, total=timedelta(seconds=0.1))
        async with asyncio.timeout(5):
            assert await gather.run(db, short, now) == gather.Gathered(failed=1)
    waiting = [row.image_due_at for row in (await articles(db)).values()]
    assert sorted(waiting) == [now, now + timedelta(minutes=15)]  # the second was not begun, and is due at once


async def test_two_nodes_make_one_copy(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        await an_article(db, now, server, images="rehost")
        found = await asyncio.gather(*(gather.run(db, SHY, now) for _ in range(3)))
        assert sum(part.copied for part in found) == 1
        assert [request.path for request in server.requests].count("/a.jpg") == 1


async def test_a_bug_with_one_picture_stops_no_other(
    db: database.Database, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = fetch.get

    async def broken(url: str, **rest: Any) -> fetch.Result:
        if "localhost" in url:
            raise RuntimeError("a bug")
        return await whole(url, **rest)

    monkeypatch.setattr(fetch, "get", broken)
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        urls = {"a": server.url("/a.jpg", host="localhost"), "b": server.url("/a.jpg")}
        server.replies["/feed"] = Reply(body=a_feed(*(an_item(n, now) + shown(url) for n, url in urls.items())))
        await a_publication(db, now, server.url("/feed"), images="rehost")
        await poll.run(db, FETCHER, now)
        for _ in range(6):
            with pytest.raises(ExceptionGroup) if now else pytest.raises(AssertionError):
                await gather.run(db, SHY, now)
                raise ExceptionGroup("nothing was due", [AssertionError()])
            now += timedelta(minutes=11)
    found = await articles(db)
    assert found["b"].image_copy
    assert (found["a"].image_due_at, found["a"].image_fault) == (None, "looking at it failed again and again")


async def test_a_publication_may_change_its_mind(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        await an_article(db, now, server)
        await gather.run(db, SHY, now)
        sources = [{"url": server.url("/feed")}]
        await apply.apply(db, a_spec(images="rehost", sources=sources), now)
        assert await gather.run(db, SHY, now) == gather.Gathered(copied=1)
        assert (await the_article(db)).image_copy
        await apply.apply(db, a_spec(images="link", sources=sources), now)
    assert (await the_article(db)).image_copy is None


async def test_an_article_that_goes_to_the_archive_is_not_looked_at(db: database.Database, now: datetime) -> None:
    old = now - timedelta(days=400)
    with feedserver.serve({}) as server:
        url = server.url("/a.jpg")
        items = [an_item(f"n{number}", now) for number in range(10)] + [an_item("old", old) + shown(url)]
        server.replies["/feed"] = Reply(body=a_feed(*items))
        await a_publication(db, now, server.url("/feed"), images="rehost")
        await bring_in(db, now)
        assert await gather.run(db, GATHERER, now) == gather.Gathered()
    assert (await articles(db))["old"].image_url == url


async def test_copies_nobody_opens_any_more_are_forgotten(db: database.Database, now: datetime) -> None:
    with feedserver.serve({"/a.jpg": Reply(body=JPEG)}) as server:
        await an_article(db, now, server, images="rehost")
        await gather.run(db, SHY, now)
    year = timedelta(days=365)
    assert await prune.run(db, None, now + 2 * year) == 0
    assert await prune.run(db, year, now + year) == 0
    assert await prune.run(db, year, now + year + LATER) == 1
    assert await copies(db) == []
    assert (await the_article(db)).image_copy is None
    assert (await publication(db)).revision == 2
