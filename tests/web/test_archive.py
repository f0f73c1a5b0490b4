"""The public archive as a browser, a search engine and a messenger's preview see it."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from lxml import html

from digest.archive import keep
from digest.articles.models import ArticleState
from digest.web import public
from digest.web.pages import archive as doors
from tests.support import archive

pytestmark = pytest.mark.anyio
MONDAY = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BASE = "https://digest.example.org"
DATE = "/archive/mias-feed/daily/2026-11-03"


@pytest.fixture
async def ids(site, db) -> list[int]:
    """Three Articles of one day, on the page of the next, and one more on the page after."""
    await archive.apply(db, site.publication, archive="listed", base_url=None, tagline="Told calmly")
    times = (MONDAY, MONDAY + HOUR, MONDAY + 2 * HOUR, MONDAY + DAY)
    found = await archive.articles_at(db, site.publication, *times, url="https://example.org/a?b=1&c=2", minutes=3)
    await archive.set_article(db, found[0], topics=["lungs"], standfirst="What it is about.")
    await archive.set_article(db, found[1], topics=["heart", "lungs"])
    await keep.run(db, MONDAY + 9 * DAY)
    return found


def meta(page: html.HtmlElement, name: str) -> str | None:
    found = page.xpath(f"//meta[@property='{name}' or @name='{name}']/@content")
    assert len(found) <= 1
    return found[0] if found else None


async def test_a_page_tells_all_of_its_date_under_its_topics(site, ids):
    answer = await site.get(DATE)
    page = html.fromstring(answer.content)
    assert answer.status_code == 200
    assert [" ".join(title.text_content().split()) for title in page.xpath("//h1 | //h2 | //h3")] == [
        "Tuesday, 3 November 2026",
        "Story of 02 Nov 14:00",
        "Heart",
        "Story of 02 Nov 13:00",
        "Lungs",
        "Story of 02 Nov 12:00",
    ]
    assert "What it is about." in answer.text
    assert "3 min read" in answer.text
    assert page.xpath("//article//a/@href") == ["https://example.org/a?b=1&c=2"] * 3


async def test_pages_lead_to_each_other_to_the_archive_and_to_the_sign_up(site, ids):
    first, second = "/archive/mias-feed/daily/2026-11-03", "/archive/mias-feed/daily/2026-11-04"
    page = html.fromstring((await site.get(first)).content)
    links = page.xpath("//main//nav//a/@href | //aside//a/@href")
    assert links == ["/subscribe/mias-feed", second, "/archive/mias-feed"]
    assert page.xpath("//link[@rel='next']/@href") == [second]
    assert html.fromstring((await site.get(second)).content).xpath("//link[@rel='prev']/@href") == [first]
    index = html.fromstring((await site.get("/archive/mias-feed")).content)
    assert {first, second} < set(index.xpath("//main//a/@href"))


async def test_who_takes_no_sign_ups_asks_for_none(site, db, ids):
    assert "/subscribe/" in (await site.get(DATE)).text
    await archive.apply(db, site.publication, sign_up=False)
    assert "/subscribe/" not in (await site.get(DATE)).text


async def test_who_signs_up_can_see_what_they_would_get(site, db, ids):
    link = '<a href="/archive/mias-feed">'
    assert link in (await site.get("/subscribe/mias-feed")).text
    assert link not in (await site.get("/embed/mias-feed")).text
    await archive.apply(db, site.publication, archive="off")
    assert "/archive/" not in (await site.get("/subscribe/mias-feed")).text


async def test_links_keep_the_path_the_service_is_mounted_at(site, db, ids):
    await archive.apply(db, site.publication, base_url="https://example.org/news")
    page = html.fromstring((await site.get(DATE)).content)
    assert "/news/archive/mias-feed" in page.xpath("//a/@href")
    assert page.xpath("//link[@rel='canonical']/@href") == [f"https://example.org/news{DATE}"]


async def test_a_preview_has_all_a_messenger_asks_for(site, db, ids):
    await archive.set_article(db, ids[1], image_url="https://example.org/heart.jpg", image_alt="A heart")
    page = html.fromstring((await site.get(DATE)).content)
    assert page.xpath("//link[@rel='canonical']/@href") == [BASE + DATE]
    assert meta(page, "og:url") == BASE + DATE
    assert meta(page, "og:title") == "Mia’s Feed, 3 November 2026"
    assert meta(page, "og:description") == "Story of 02 Nov 14:00 · Story of 02 Nov 13:00 · Story of 02 Nov 12:00"
    assert meta(page, "description") == meta(page, "og:description")
    assert (meta(page, "og:image"), meta(page, "og:image:alt")) == ("https://example.org/heart.jpg", "A heart")
    assert meta(page, "twitter:card") == "summary_large_image"
    assert meta(page, "article:published_time") == "2026-11-03T06:00:00Z"
    bare = html.fromstring((await site.get("/archive/mias-feed/daily/2026-11-04")).content)
    assert (meta(bare, "og:image"), meta(bare, "twitter:card")) == (None, "summary")


async def test_only_copies_of_our_own_are_shown_on_the_page(site, db, ids):
    """A picture elsewhere is a request that tells somebody who reads."""
    await archive.set_article(db, ids[2], image_url="https://example.org/x.jpg")
    assert b"<img" not in (await site.get(DATE)).content
    name = "0" * 40 + ".jpg"
    await archive.set_article(db, ids[2], image_copy=name, image_width=600, image_height=300)
    answer = await site.get(DATE)
    assert html.fromstring(answer.content).xpath("//img/@src") == [f"{BASE}/images/{name}"]
    assert "img-src 'self' data:" in answer.headers["Content-Security-Policy"]


async def test_search_engines_may_list_a_listed_archive_and_no_other(site, db, ids):
    paths = ("/archive/mias-feed", "/archive/mias-feed/daily", DATE)
    for path in paths:
        answer = await site.get(path)
        assert answer.headers["X-Robots-Tag"] == meta(html.fromstring(answer.content), "robots") == "all"
    await archive.apply(db, site.publication, archive="unlisted")
    for path in paths:
        answer = await site.get(path)
        assert answer.headers["X-Robots-Tag"] == meta(html.fromstring(answer.content), "robots") == "noindex"


async def test_who_keeps_no_archive_has_no_pages(site, db, ids):
    await archive.apply(db, site.publication, archive="off")
    for path in ("", "/daily", "/daily/2026-11-03", "/daily/feed.atom"):
        answer = await site.get("/archive/mias-feed" + path)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")
        assert "Mia" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "mias-feed/hourly",
        "mias-feed/hourly/2026-11-03",
        "other",
        "other/daily/2026-11-03",
        "MIAS-FEED",
        "%00",
        "x/y/z/z",
    ],
)
async def test_what_never_was_is_not_found(site, ids, path):
    assert (await site.get("/archive/" + path)).status_code == 404


@pytest.mark.parametrize("day", ["2026-11-02", "2026-13-45", "20261103", "2026-W45-2", "2026-11-3", "２026-11-03", "x"])
async def test_a_date_without_a_digest_leads_to_those_there_are(site, ids, day):
    answer = await site.get(f"/archive/mias-feed/daily/{day}")
    assert (answer.status_code, answer.headers["X-Robots-Tag"]) == (404, "noindex, nofollow")
    assert "no digest of this date" in answer.text
    assert "/archive/mias-feed/daily" in html.fromstring(answer.content).xpath("//a/@href")


async def test_a_retracted_article_is_gone_at_once_and_a_page_of_nothing_else_is_gone(site, db, ids):
    assert (await site.get(DATE)).text.count("<article") == 3
    await archive.set_article(db, ids[0], state=ArticleState.RETRACTED)
    answer = await site.get(DATE)
    assert "02 Nov 12:00" not in answer.text
    assert "2 stories" in answer.text
    for id_ in ids[1:3]:
        await archive.set_article(db, id_, state=ArticleState.RETRACTED)
    gone = await site.get(DATE)
    assert (gone.status_code, gone.headers["Cache-Control"]) == (410, "no-store")
    assert "taken back" in gone.text
    assert "/archive/mias-feed" in html.fromstring(gone.content).xpath("//a/@href")
    listed = (await site.get("/archive/mias-feed/daily")).text
    assert "3 November 2026" in listed
    assert "02 Nov" not in listed


async def test_pages_are_kept_and_asked_for_again_in_a_few_bytes(site, db, ids):
    for path in ("/archive/mias-feed", "/archive/mias-feed/daily", DATE):
        first, second = await site.get(path), await site.get(path)
        assert first.headers["Cache-Control"] == "public, max-age=300"
        assert (first.content, first.headers["ETag"]) == (second.content, second.headers["ETag"])
        for tag in (first.headers["ETag"], f'"x", W/{first.headers["ETag"]}', "*"):
            again = await site.client.get(path, headers={"If-None-Match": tag})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == first.headers["ETag"]
        head = await site.client.head(path)
        assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", first.headers["ETag"])
    tag = (await site.get(DATE)).headers["ETag"]
    await archive.set_article(db, ids[0], title="Corrected")
    changed = await site.client.get(DATE, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert "Corrected" in changed.text


async def test_the_policy_names_the_very_style_of_the_page(site, ids):
    """Else a browser would show it bare."""
    for path in ("/archive/mias-feed", "/archive/mias-feed/daily", DATE, "/archive/mias-feed/daily/2020-01-01"):
        answer = await site.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert re.search(r"style-src 'sha256-[A-Za-z0-9+/=]{44}';", policy)
        assert "script-src" not in policy
        assert "style=" not in answer.text
        assert answer.text.count("<style") == 1


async def test_nothing_on_the_pages_is_about_a_reader(site, db, ids):
    paths = ("", "/daily", "/daily/2026-11-03", "/daily/feed.atom", "/instant/2026-11-02")
    texts = [(await site.get("/archive/mias-feed" + path)).text for path in paths]
    token = r"\b[0-9a-z]+\.[0-9a-z]+\.[0-9a-z]+\.[\w-]{20,}"
    assert re.search(token, site.token())
    for text in texts:
        assert "anna@" not in text
        assert not re.search(token, text)
        assert not re.search(r"/(unsubscribe|less|topics|pause|resume|undo|mail|manage|feed)/", text)


async def test_many_articles_are_told_on_several_pages_each_once(site, db):
    await archive.apply(db, site.publication, archive="listed", frequencies=[{"frequency": "monthly"}])
    await archive.articles_at(db, site.publication, *(MONDAY + HOUR * n for n in range(doors.STORIES * 2 + 5)))
    await keep.run(db, MONDAY + 60 * DAY)
    titles: list[str] = []
    for number in (1, 2, 3):
        answer = await site.get(f"/archive/mias-feed/monthly/2026-12-07?page={number}")
        assert len(answer.content) < 50_000
        page = html.fromstring(answer.content)
        titles += [title.text_content() for title in page.xpath("//article/h2 | //article/h3")]
    assert "Page 3 of 3" in answer.text
    assert len(titles) == len(set(titles)) == doors.STORIES * 2 + 5
    beyond = await site.get("/archive/mias-feed/monthly/2026-12-07?page=99999999999999999999")
    assert beyond.status_code == 200


async def test_all_dates_are_listed_page_by_page(site, db):
    await archive.apply(db, site.publication, archive="listed")
    await archive.articles_at(db, site.publication, *(MONDAY + DAY * n for n in range(doors.MANY + 3)))
    await keep.run(db, MONDAY + 90 * DAY)
    seen, path = [], "/archive/mias-feed/daily"
    while path:
        answer = await site.get(path)
        assert len(answer.content) < 50_000
        page = html.fromstring(answer.content)
        seen += page.xpath("//ul[@class='dates']//a/@href")
        older = page.xpath("//a[@rel='next']/@href")
        path = "/archive/mias-feed/daily" + older[0] if older else ""
    assert len(seen) == len(set(seen)) == doors.MANY + 3
    assert seen == sorted(seen, reverse=True)


async def test_what_feeds_bring_cannot_break_out_of_a_page(site, db, ids):
    evil = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    await archive.set_article(db, ids[2], title=evil, standfirst=evil, url="javascript:alert(1)", author=evil)
    answer = await site.get(DATE)
    page = html.fromstring(answer.content)
    assert page.xpath("//script") == page.xpath("//img") == page.xpath("//*[@onerror]") == []
    assert not [link for link in page.xpath("//a/@href") if link.startswith("javascript")]


async def test_pages_speak_the_publications_language(site, db, ids):
    await archive.apply(db, site.publication, locale="ar")
    answer = await site.get(DATE)
    page = html.fromstring(answer.content)
    assert (page.get("lang"), page.get("dir")) == ("ar", "rtl")
    assert "3 مقالات" in answer.text


@pytest.mark.parametrize(
    ("asked", "known"),
    [
        ({"if-none-match": '"a"'}, True),
        ({"if-none-match": '"b"', "if-modified-since": "Mon, 02 Nov 2026 12:00:00 GMT"}, False),
        ({"if-modified-since": "Mon, 02 Nov 2026 12:00:00 GMT"}, True),
        ({"if-modified-since": "Mon, 02 Nov 2026 11:59:59 GMT"}, False),
        ({"if-modified-since": "yesterday"}, False),
        ({"if-modified-since": "Mon, 02 Nov 2026 12:00:00"}, False),
        ({}, False),
    ],
)
async def test_who_has_it_already(asked, known):
    class Asked:
        headers = asked

    assert public.is_known(Asked, '"a"', MONDAY) is known  # type: ignore[arg-type]


async def test_a_page_is_made_once_for_all_who_ask_in_the_same_seconds(monkeypatch):
    memory, calls = public.Memory(room=2), []
    monkeypatch.setattr(public, "SECONDS", 60.0)

    def making(text: str, status: int = 200):
        async def make() -> public.Made:
            calls.append(text)
            return public.Made(text, "text/html", status)

        return make

    for text in ("a", "a", "b", "b", "c", "a"):  # by then there is no more room for a
        assert (await memory.get((text,), making(text))).text == text
    assert calls == ["a", "b", "c", "a"]
    for _ in range(2):
        await memory.get(("gone",), making("gone", 410))
    assert calls[4:] == ["gone", "gone"]
    monkeypatch.setattr(public, "SECONDS", -1.0)
    for _ in range(2):
        await memory.get(("new",), making("new"))
    assert calls[6:] == ["new", "new"]
