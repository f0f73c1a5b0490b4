import pytest

from digest.articles import discover

URL = "https://site.example.org/news/"


def links(head: str) -> tuple[str, ...]:
    return discover.read(f"<html><head>{head}</head><body></body></html>".encode(), url=URL)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("", ()),
        ("<link rel=alternate type=application/rss+xml href=/feed>", ("https://site.example.org/feed",)),
        ("<LINK REL='ALTERNATE' TYPE='application/atom+xml; charset=utf-8' HREF='atom.xml'>", (URL + "atom.xml",)),
        ("<link rel='alternate feed' type='application/feed+json' href='//f.example/x'/>", ("https://f.example/x",)),
        (
            "<link rel=alternate type=application/rss+xml title='Comments feed' href=/comments>"
            "<link rel=alternate type=application/rss+xml href=/rss>"
            "<link rel=alternate type=application/atom+xml href=/atom>",
            ("https://site.example.org/atom", "https://site.example.org/rss", "https://site.example.org/comments"),
        ),
        (
            "<base href='https://cdn.example.org/a/'><link rel=alternate type=text/xml href=f>",
            ("https://cdn.example.org/a/f",),
        ),
        ("<link rel=stylesheet type=application/rss+xml href=/x><link rel=alternate hreflang=de href=/de>", ()),
        ("<link rel=alternate type=application/json+oembed href=/o>", ()),
        ("<link rel=alternate type=application/json href=/wp-json/wp/v2/pages/2>", ()),
        ("<link rel=alternate type=application/rss+xml href='javascript:x'>", ()),
        ("<link rel=alternate type=application/rss+xml href='http://[x'>", ()),
        ("<link rel=alternate type=application/rss+xml href=/f>" * 2, ("https://site.example.org/f",)),
        ("<!-- <link rel=alternate type=application/rss+xml href=/old> -->", ()),
    ],
)
def test_feeds_a_page_names(head: str, expected: tuple[str, ...]) -> None:
    assert links(head) == expected


@pytest.mark.parametrize("document", [b"", b"\x00\xff" * 1000, b"<" * 200_000, b"<link " * 50_000, b"<!" * 100_000])
def test_any_bytes_are_borne(document: bytes) -> None:
    assert discover.read(document, url=URL) == ()
