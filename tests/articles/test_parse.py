"""What real publishing systems emit, read into clean entries."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from digest.articles import parse
from digest.articles.parse import Entry, Feed, Related

FEEDS = Path(__file__).with_name("feeds")  # in the form well-known publishing systems give them; the words are ours
URL = "https://feeds.example.net/x/feed.xml"


def read(document: str | bytes, **options: object) -> Feed:
    body = document.encode() if isinstance(document, str) else document
    return parse.read(body, url=URL, **options)  # type: ignore[arg-type]


def only(document: str | bytes) -> Entry:
    feed = read(document)
    assert feed.faults == ()
    (entry,) = feed.entries
    return entry


def sample(name: str) -> bytes:
    return (FEEDS / name).read_bytes()


def rss(items: str, channel: str = "<title>T</title>", namespaces: str = "") -> str:
    return f"<?xml version='1.0'?><rss version='2.0' {namespaces}><channel>{channel}{items}</channel></rss>"


def item(inside: str) -> Entry:
    return only(rss(f"<item>{inside}</item>"))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]


def test_wordpress() -> None:
    entry = only(sample("wordpress.xml"))
    assert entry.title == "Sleep & salt: what we know"
    assert entry.url == "https://ward.example.org/2026/11/sleep/"
    assert entry.guid == "https://ward.example.org/?p=731"
    assert entry.standfirst == "Less salt in the evening helps some sleepers."
    assert entry.author == "Ida Lund"
    assert entry.categories == ("Sleep", "Diet & Food")
    assert entry.published_at == utc(2026, 11, 3, 9, 30)
    assert (entry.image_url, entry.image_alt) == ("https://ward.example.org/wp-content/salt.jpg", "A salt shaker")
    assert (entry.image_width, entry.image_height) == (640, 480)
    assert "<p>Less salt in the evening helps some sleepers.</p>" in entry.body
    assert "pixel.example.org" not in entry.body
    assert read(sample("wordpress.xml")).title == "Ward Notes"


def test_substack() -> None:
    entry = only(sample("substack.xml"))
    assert (entry.title, entry.standfirst) == ("Why hips wear out", "And what to do about it")
    assert entry.body == "<p>Cartilage does not grow back.</p>"
    assert entry.image_url == "https://cdn.example.com/image/fetch/hips"
    assert read(sample("substack.xml")).title == "Bone & Joint Letters"


def test_medium() -> None:
    entry = only(sample("medium.xml"))
    assert entry.guid == "https://medium.example.com/p/1a2b"
    assert entry.standfirst == "Look twice."
    assert entry.published_at == utc(2026, 11, 1, 8)
    assert entry.image_url == "https://cdn.example.com/max/1024/scan.png"
    assert "stat?event" not in entry.body


def test_preprints_in_rdf() -> None:
    entry = only(sample("arxiv.rdf"))
    assert entry.title == "On E. coli at p < 0.05"
    assert entry.guid == entry.url == "http://preprints.example.org/abs/2611.01"
    assert entry.author == "J. Roe, K. Poe"
    assert entry.categories == ("q-bio.PE",)
    assert entry.published_at == utc(2026, 11, 4, 1, 30)
    assert entry.body == "<p>We count colonies.\n</p>"
    assert read(sample("arxiv.rdf")).title == "q-bio updates"


def test_blogger() -> None:
    entry = only(sample("blogger.xml"))
    assert entry.title == "Beans < lentils?"
    assert entry.url == "https://garden.example.net/2026/11/beans.html"
    assert entry.guid == "tag:blogger.com,1999:blog-1.post-2"
    assert entry.author == "Noor"
    assert entry.categories == ("Fibre",)
    assert entry.published_at == utc(2026, 11, 3, 7)
    assert entry.image_url is None  # all it has is 72 pixels wide
    assert entry.body == "<p>Both are <b>good</b>.</p>"


def test_ghost() -> None:
    entry = only(sample("ghost.xml"))
    assert entry.standfirst == "What circulation says."
    assert (entry.image_url, entry.image_alt) == ("https://mia.example.org/hands.jpg", "Two hands")
    assert (entry.image_width, entry.image_height) == (0, 0)  # half of a size says nothing of its shape
    assert read(sample("ghost.xml")).title == "Mia's Feed"


def test_youtube() -> None:
    entry = only(sample("youtube.xml"))
    assert entry.url == "https://www.youtube.com/watch?v=dQ1"
    assert entry.standfirst == "Two fingers, thirty seconds."
    assert entry.image_url == "https://i1.ytimg.example.com/vi/dQ1/hq.jpg"
    assert (entry.image_width, entry.image_height) == (480, 360)
    assert entry.published_at == utc(2026, 11, 1, 15)


def test_podcast() -> None:
    entry = only(sample("podcast.xml"))
    assert entry.title == "12: The long wait"
    assert entry.standfirst == "Three people tell how they waited."
    assert entry.author == "Night Shift crew"
    assert entry.image_url == "https://night.example.org/12.jpg"
    assert entry.url is None
    assert entry.published_at == utc(2026, 11, 2, 10)


def test_json_feed() -> None:
    feed = read(sample("micro-blog.json"))
    note, article = feed.entries
    assert feed.title == "Tove"
    assert note.title == "Tea, again."
    assert (note.image_url, note.image_alt) == ("https://tove.example.org/2026/11/03/uploads/tea.jpg", "A cup")
    assert note.published_at == utc(2026, 11, 3, 6)
    assert article.guid == "17"
    assert article.url == "https://tove.example.org/long"
    assert article.title == "A < B & C"
    assert article.body == "<p>First line<br>second</p><p>Next &lt;paragraph&gt;</p>"
    assert (article.standfirst, article.minutes, article.author) == ("Sum", 7, "Tove, Ib")
    assert article.categories == ("Tea",)
    assert article.image_url == "https://tove.example.org/cover.png"
    assert article.related == (Related("Earlier", "https://tove.example.org/earlier"),)
    assert [(fault.where, fault.reason) for fault in feed.faults] == [
        ("item 3", "is not a JSON object"),
        ("item 4", "has no title, no text and no link that could be used"),
    ]


def test_our_own_elements() -> None:
    entry = only(sample("ours.xml"))
    assert entry.minutes == 4
    assert entry.author == "Edda Berg"
    assert entry.url == "https://mia.example.org/iron"
    assert entry.related == (
        Related("Zinc & you", "https://mia.example.org/zinc"),
        Related("https://mia.example.org/copper", "https://mia.example.org/copper"),
    )


def test_old_versions() -> None:
    old = only(sample("atom-0.3.xml"))
    assert (old.title, old.url, old.body) == ("Old & gold", "http://old.example.org/1", "<p>Kept.</p>")
    assert old.published_at == utc(2026, 11, 1, 10)
    assert only(sample("rss-0.91.xml")).url == "http://ancient.example.org/a"


def test_relative_addresses_stand_against_xml_base() -> None:
    entry = only(sample("xhtml-bases.xml"))
    assert entry.title == "An odd title"
    assert entry.url == "https://base.example.org/a/b/c.html"
    assert 'href="https://base.example.org/a/b/deep/d"' in entry.body
    assert 'src="https://base.example.org/a/b/e.png"' in entry.body
    assert entry.image_url == "https://base.example.org/a/b/e.png"


def test_without_xml_base_links_stand_against_site_and_page() -> None:
    inside = "<link>/news/1</link><description>&lt;a href='more'>x&lt;/a></description>"
    entry = only(rss(f"<item>{inside}</item>", channel="<link>https://site.example.org/</link>"))
    assert entry.url == "https://site.example.org/news/1"
    assert entry.body == '<p><a href="https://site.example.org/news/more">x</a></p>'
    assert item("<link>/news/1</link>").url == "https://feeds.example.net/news/1"


def test_a_password_of_the_feed_reaches_no_reader() -> None:
    body = rss("<item><link>/a</link><description>&lt;a href='b'>x&lt;/a></description></item>").encode()
    (entry,) = parse.read(body, url="https://mia:secret@feeds.example.net/feed").entries
    assert entry.url == "https://feeds.example.net/a"
    assert "secret" not in entry.body


@pytest.mark.parametrize(
    ("inside", "guid", "url"),
    [
        ("<guid>https://x.example/1</guid>", "https://x.example/1", "https://x.example/1"),
        ("<guid isPermaLink='true'>https://x.example/1</guid>", "https://x.example/1", "https://x.example/1"),
        ("<guid isPermaLink='false'>https://x.example/1</guid>", "https://x.example/1", None),
        ("<guid>7</guid>", "7", None),
        ("<guid> </guid><link>https://x.example/1</link>", None, "https://x.example/1"),
        ("<link>https://x.example/a?b=1&amp;c=2</link>", None, "https://x.example/a?b=1&c=2"),
        ("<link>https://x.example/a?b=1&c=2</link>", None, "https://x.example/a?b=1&c=2"),
        ("<link><![CDATA[ https://x.example/a?b=1&c=2 ]]></link>", None, "https://x.example/a?b=1&c=2"),
        ("<link>\n https://x.example/a b\n</link>", None, "https://x.example/a%20b"),
        ("<link>javascript:alert(1)</link>", None, None),
        ("<link>urn:isbn:1</link>", None, None),
        ("<link>http://[broken</link>", None, None),
        ("<link href='https://x.example/1'/>", None, "https://x.example/1"),
        ("<guid>" + "g" * 501 + "</guid>", "sha256:8327ccd9", None),
    ],
)
def test_identity_and_address(inside: str, guid: str | None, url: str | None) -> None:
    entry = item(f"<title>t</title>{inside}")
    assert entry.url == url
    assert entry.guid == guid or (guid and guid.startswith("sha256:") and str(entry.guid).startswith("sha256:"))


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("AT&amp;T", "AT&T"),
        ("AT&amp;amp;T", "AT&T"),
        ("AT&T", "AT&T"),
        ("It&amp;#8217;s &eacute;t&eacute;", "It’s été"),
        ("<![CDATA[<b>Bold</b> &amp; brave]]>", "Bold & brave"),
        ("&lt;em&gt;E. coli&lt;/em&gt; in H&lt;sub&gt;2&lt;/sub&gt;O", "E. coli in H2O"),
        ("&lt;script&gt;alert(1)&lt;/script&gt;", "<script>alert(1)</script>"),
        ("Vec&lt;T&gt; explained", "Vec<T> explained"),
        ("1 &lt; 2 &gt; 0", "1 < 2 > 0"),
        ("One <br> two", "One two"),
        ("  many \n\t spaces&nbsp;here ", "many spaces here"),
        ("zero\u200bwidth and \u202eright to left", "zerowidth and right to left"),
        ("e\u0301", "é"),
    ],
)
def test_titles_become_plain_text(title: str, expected: str) -> None:
    assert item(f"<title>{title}</title><link>https://x.example/</link>").title == expected


def test_long_titles_are_cut_on_a_word() -> None:
    title = item(f"<title>{'word ' * 200}</title>").title
    assert len(title) <= 500
    assert title.endswith("word…")


@pytest.mark.parametrize(
    ("inside", "title"),
    [
        ("<description>Just a note. It goes on.</description>", "Just a note. It goes on."),
        ("<title/><description>" + "long " * 40 + "</description>", "long " * 17 + "long…"),
        ("<link>https://x.example/a-story</link>", "x.example/a-story"),
    ],
)
def test_a_title_is_made_where_there_is_none(inside: str, title: str) -> None:
    assert item(inside).title == title


def test_items_that_say_nothing_are_set_aside_and_the_rest_is_read() -> None:
    feed = read(
        rss("<item/><item><title>Good</title></item><item><link>mailto:x</link><description> </description></item>")
    )
    assert [entry.title for entry in feed.entries] == ["Good"]
    assert [fault.where for fault in feed.faults] == ["item 1", "item 3"]
    assert feed.faults[0].reason == "has no title, no text and no link that could be used"


def test_minutes_are_counted_when_the_feed_gives_none() -> None:
    assert item("<title>t</title>").minutes == 1
    assert item(f"<description>{'word ' * 660}</description>").minutes == 3


def test_the_summary_of_a_text_alone_is_its_beginning() -> None:
    entry = item(f"<title>t</title><description>{'A sentence here. ' * 40}</description>")
    assert len(entry.standfirst) <= 280
    assert entry.standfirst.endswith("here.")
    assert entry.body.count("sentence") == 40


def test_the_hash_is_of_the_words() -> None:
    plain = item("<title>A title</title><description>Some words</description>")
    marked = item("<title>a  TITLE</title><description>&lt;p>Some &lt;b>words&lt;/b>&lt;/p></description>")
    other = item("<title>A title</title><description>Other words</description>")
    assert plain.content_hash == marked.content_hash != other.content_hash


@pytest.mark.parametrize(
    ("author", "expected"),
    [("ed@x.example (Ed)", "Ed"), ("ed@x.example", ""), ("Ed &amp; Co", "Ed & Co"), ("", "")],
)
def test_authors_are_names(author: str, expected: str) -> None:
    assert item(f"<title>t</title><author>{author}</author>").author == expected


def test_an_awkward_feed_reads_well() -> None:
    entries = read(sample("awkward.xml")).entries
    assert [(entry.title, entry.standfirst) for entry in entries] == [
        ("Salt & “sleep”: it’s complicated", "Ten minutes on foot did more than an hour at the gym, a study suggests."),
        (
            "New measles vaccine works in babies",
            "A new measles vaccine works in babies of six months, a trial in Nairobi finds.",
        ),
        ("👩🏽‍⚕️ Doctors walk out", "Who paid? Who lost? Who knew?"),
    ]
    salt, vaccine, doctors = entries
    assert (salt.image_url, salt.image_alt) == ("https://ward.example.org/salt-1200.jpg", "A salt shaker on a table")
    assert (salt.image_width, salt.image_height) == (1200, 800)
    assert (vaccine.image_url, vaccine.image_alt) == ("https://ward.example.org/vaccine.jpg", "")
    assert doctors.image_url is None
    assert not any(word in entry.body for entry in entries for word in ("pixel", "avatar", "srcset", "data-src"))


@pytest.mark.parametrize(
    "picture",
    [
        '<enclosure url="https://a.example/x.jpg" type="image/jpeg" length="20000000"/>',
        '<media:content url="https://a.example/x.jpg" fileSize="20000000"/>',
    ],
)
def test_a_picture_of_20_megabytes_goes_behind_any_other(picture: str) -> None:
    item = f"<title>t</title>{picture}"
    alone = only(f"<rss><channel><item>{item}</item></channel></rss>".encode())
    assert (alone.image_url, alone.image_kind) == ("https://a.example/x.jpg", "heavy")
    body = "<description>&lt;img src='https://a.example/y.jpg'&gt;</description>"
    both = only(f"<rss><channel><item>{item}{body}</item></channel></rss>".encode())
    assert both.image_url == "https://a.example/y.jpg"
