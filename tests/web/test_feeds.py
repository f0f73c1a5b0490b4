"""Feeds as a reader program fetches them: the archive's, and a reader's own behind its signed link."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from lxml import etree, html

from digest.archive import keep
from digest.articles import parse
from digest.articles.models import ArticleState
from digest.audience import models as audience
from digest.editions import models as editions
from digest.outbox import models as outbox
from digest.web.pages import atom
from tests.support import archive, cast

pytestmark = pytest.mark.anyio
MONDAY = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASE = "https://digest.example.org"
FEED = "/archive/mias-feed/daily/feed.atom"
ATOM = {"a": "http://www.w3.org/2005/Atom"}


def read(answer: Any) -> etree._Element:
    """The feed, after what RFC 4287 §4.1 demands of it."""
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    feed = etree.fromstring(answer.content)
    assert feed.tag == "{http://www.w3.org/2005/Atom}feed"
    for element in (feed, *feed.findall("a:entry", ATOM)):
        for name in ("id", "title", "updated"):
            assert len(element.findall(f"a:{name}", ATOM)) == 1
            assert element.findtext(f"a:{name}", "", ATOM).strip()
        assert re.match(r"[a-z]+:\S+$", element.findtext("a:id", "", ATOM))
        assert datetime.fromisoformat(element.findtext("a:updated", "", ATOM)).tzinfo
        assert {link.get("rel") for link in element.findall("a:link", ATOM)} <= {"self", "alternate"}
    assert feed.findtext("a:author/a:name", "", ATOM)
    [own] = [link for link in feed.findall("a:link", ATOM) if link.get("rel") == "self"]
    assert own.get("href").endswith(answer.request.url.path)
    ids = texts(feed, "a:entry/a:id")
    assert len(ids) == len(set(ids))
    return feed


def texts(feed: etree._Element, path: str) -> list[str]:
    return [element.text or "" for element in feed.findall(path, ATOM)]


@pytest.fixture
async def ids(site, db) -> list[int]:
    await archive.apply(db, site.publication, archive="listed", tagline="Told <calmly> & well")
    found = await archive.articles_at(
        db, site.publication, MONDAY, MONDAY + HOUR, MONDAY + DAY, url="https://example.org/a?b&c"
    )
    await keep.run(db, MONDAY + 9 * DAY)
    return found


async def test_the_archives_feed_has_an_entry_for_each_date(site, ids):
    feed = read(await site.get(FEED))
    assert texts(feed, "a:title") == ["Mia’s Feed"]
    assert texts(feed, "a:subtitle") == ["Told <calmly> & well"]
    assert texts(feed, "a:updated") == ["2026-11-04T06:00:00Z"]
    assert texts(feed, "a:entry/a:title") == [
        "4 November 2026: Story of 03 Nov 12:00",
        "3 November 2026: Story of 02 Nov 13:00",
    ]
    assert texts(feed, "a:entry/a:id") == [f"{BASE}/archive/mias-feed/daily/2026-11-0{day}" for day in (4, 3)]
    assert texts(feed, "a:entry/a:summary")[1] == "Story of 02 Nov 13:00 · Story of 02 Nov 12:00"
    content = html.fromstring(texts(feed, "a:entry/a:content")[1])
    assert content.xpath("//li/a/@href") == ["https://example.org/a?b&c"] * 2
    assert content.xpath("//p/a/@href") == texts(feed, "a:entry/a:id")[1:]


async def test_our_own_feed_reader_finds_nothing_amiss_in_it(site, ids):
    answer = await site.get(FEED)
    feed = parse.read(answer.content, url=BASE + FEED, content_type=answer.headers["Content-Type"])
    assert feed.title == "Mia’s Feed"
    assert [(entry.guid, entry.url) for entry in feed.entries] == [
        (f"{BASE}/archive/mias-feed/daily/2026-11-0{day}",) * 2 for day in (4, 3)
    ]


async def test_pages_say_where_their_feed_is(site, ids):
    for path in ("/archive/mias-feed", "/archive/mias-feed/daily", "/archive/mias-feed/daily/2026-11-03"):
        page = html.fromstring((await site.get(path)).content)
        feeds = page.xpath("//link[@rel='alternate'][@type='application/atom+xml']/@href")
        assert FEED in feeds
        for feed in feeds:
            read(await site.get(feed))


async def test_a_feed_without_an_entry_is_a_feed(site, db):
    await archive.apply(db, site.publication, archive="unlisted")
    answer = await site.get(FEED)
    assert texts(read(answer), "a:updated") == ["2026-11-02T06:00:01Z"]
    assert answer.headers["X-Robots-Tag"] == "noindex"


async def test_who_has_the_feed_gets_it_again_only_when_it_changed(site, db, ids):
    first = await site.get(FEED)
    for asked in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        assert (await site.client.get(FEED, headers=asked)).status_code == 304
    before = texts(read(first), "a:entry/a:id")
    # As `digest articles retract` leaves it.
    await archive.set_article(db, ids[1], state=ArticleState.RETRACTED, updated_at=MONDAY + 5 * DAY)
    for asked in ({"If-None-Match": first.headers["ETag"]}, {"If-Modified-Since": first.headers["Last-Modified"]}):
        feed = read(await site.client.get(FEED, headers=asked))
    assert texts(feed, "a:entry/a:title")[1] == "3 November 2026: Story of 02 Nov 12:00"
    assert texts(feed, "a:entry/a:id") == before


@pytest.mark.parametrize(
    "since", ["yesterday", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +99999999999999"]
)
async def test_a_date_that_is_none_asks_for_the_whole_feed(site, ids, since):
    assert (await site.client.get(FEED, headers={"If-Modified-Since": since})).status_code == 200


async def test_a_date_of_which_all_was_retracted_leaves_the_feed(site, db, ids):
    await archive.set_article(db, ids[2], state=ArticleState.RETRACTED)
    assert len(texts(read(await site.get(FEED)), "a:entry/a:id")) == 1


async def test_what_feeds_bring_cannot_break_ours(site, db, ids):
    await archive.set_article(db, ids[2], title="]]></title><script>\x0b\ufffe & \u202e", url="javascript:x")
    feed = read(await site.get(FEED))
    assert texts(feed, "a:entry/a:title")[0] == "4 November 2026: ]]></title><script> &"
    content = html.fromstring(texts(feed, "a:entry/a:content")[0])
    assert content.xpath("//script | //li/a") == []


async def a_digest(site, db, *article_ids: int, state=outbox.DeliveryState.SENT, day: int = 0, cadence=None) -> int:
    """A digest of these Articles in this state; its Delivery's id."""
    at = MONDAY + day * DAY
    row = await site.row()
    picks = {"full": [[id_, None] for id_ in article_ids], "links": [], "more": [901, 902]}
    async with db.transaction() as connection:
        selection = {"publication_id": site.publication.id, "fingerprint": f"{day}", "picks": picks, "used_at": at}
        made = sa.insert(editions.Selection).values(selection).returning(editions.Selection.id)
        selection_id = (await connection.execute(made)).scalar_one()
        edition = {"publication_id": site.publication.id, "cadence_id": cadence or row.cadence_id, "slot": f"s{day}"}
        edition |= {"due_at": at, "planned_at": at, "upto": 3, "state": editions.EditionState.FINISHED}
        made = sa.insert(editions.Edition).values(edition).returning(editions.Edition.id)
        edition_id = (await connection.execute(made)).scalar_one()
        delivery = {"publication_id": site.publication.id, "edition_id": edition_id, "subscription_id": row.id}
        delivery |= {"state": state, "created_at": at, "handed_over_at": at, "selection_id": selection_id}
        made = sa.insert(outbox.Delivery).values(delivery).returning(outbox.Delivery.id)
        return (await connection.execute(made)).scalar_one()


def own(site, generation: int = 1) -> str:
    return atom.own_url(site.signer, "", site.reader, generation)


async def test_a_readers_own_feed_has_what_was_sent_to_them(site, db, ids):
    first = await a_digest(site, db, ids[1], ids[0])
    await a_digest(site, db, ids[2], state=outbox.DeliveryState.FAILED, day=1)
    second = await a_digest(site, db, ids[2], day=2)
    answer = await site.get(own(site))
    feed = read(answer)
    assert texts(feed, "a:entry/a:title") == ["Story of 03 Nov 12:00", "Story of 02 Nov 13:00"]
    assert texts(feed, "a:entry/a:updated") == ["2026-11-04T12:00:00Z", "2026-11-02T12:00:00Z"]
    links = [link.get("href").removeprefix(f"{BASE}/mail/") for link in feed.findall("a:entry/a:link", ATOM)]
    read_back = [site.signer.read_mail_token(link) for link in links]
    assert read_back == [(site.reader, 1, second), (site.reader, 1, first)]
    content = html.fromstring(texts(feed, "a:entry/a:content")[1])
    assert "And 2 more stories" in content.text_content()
    assert (answer.headers["Cache-Control"], answer.headers["X-Robots-Tag"]) == ("no-store", "noindex, nofollow")
    assert "anna" not in answer.text


async def test_what_came_at_another_pace_before_is_in_it_too(site, db, ids):
    await a_digest(site, db, ids[0])
    token = site.token()
    assert (await site.press(f"/less/{token}", frequency="weekly")).status_code == 200
    await a_digest(site, db, ids[2], day=1)
    assert len(texts(read(await site.get(own(site))), "a:entry/a:id")) == 2


async def test_a_program_that_asks_again_gets_it_only_when_there_is_more(site, db, ids):
    await a_digest(site, db, ids[0])
    tag = (await site.get(own(site))).headers["ETag"]
    again = await site.client.get(own(site), headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again.headers["Cache-Control"]) == (304, b"", "no-store")
    await a_digest(site, db, ids[2], day=1)
    assert (await site.client.get(own(site), headers={"If-None-Match": tag})).status_code == 200


async def test_who_left_or_came_back_since_has_no_feed_behind_the_old_link(site, db):
    assert (await site.get(own(site))).status_code == 200
    await site.set(state=audience.SubscriptionState.UNSUBSCRIBED)
    assert (await site.get(own(site))).status_code == 410
    await site.set(state=audience.SubscriptionState.ACTIVE, generation=2)
    assert (await site.get(own(site))).status_code == 410
    assert (await site.get(own(site, generation=2))).status_code == 200


async def test_links_for_other_things_are_no_feed_and_a_feeds_link_opens_nothing_else(site, db, ids):
    mail, feed = site.token(), own(site).removeprefix("/feed/")
    for token in (mail, feed[:-1], feed + "A", "x", "1.1.0.x", "%00"):
        assert (await site.get(f"/feed/{token}")).status_code == 404
    before = await cast.everything(db)
    for door in ("unsubscribe", "less", "pause", "topics", "undo", "mail", "confirm"):
        assert (await site.get(f"/{door}/{feed}")).status_code in (404, 410)
        await site.press(f"/{door}/{feed}")
    assert await cast.everything(db) == before
