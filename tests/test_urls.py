"""Web addresses as people write them, in the one form that mail headers can hold."""

import pytest

from digest import urls


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://news.example.org", "https://news.example.org"),
        (" https://news.example.org/a/ ", "https://news.example.org/a"),
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://[::1]:8000/", "http://[::1]:8000"),
        ("https://Bücher.example:8443/ä/ö", "https://xn--bcher-kva.example:8443/%C3%A4/%C3%B6"),
        ("https://例え.テスト", "https://xn--r8jz45g.xn--zckzah"),
        ("https://x.example/a%20b,c", "https://x.example/a%20b,c"),
        ('https://x.example/<a>"b', "https://x.example/%3Ca%3E%22b"),
    ],
)
def test_a_web_address_is_kept_in_ascii(text: str, url: str) -> None:
    assert urls.parse(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "news.example.org",
        "ftp://x.example",
        "https://",
        "https://x.example:0",
        "https://x.example:port",
        "https://u:p@x.example",
        "https://x.example/?q",
        "https://x.example/#f",
        "https://x.example/a b",
        "https://x.example/\r\nX: 1",
        "https://ü",
        "https://ü..example",
        "https://x.example/" + "a" * 800,
        "https://x.example/" + "ä" * 200,
    ],
)
def test_what_is_no_web_address_is_refused(text: str) -> None:
    with pytest.raises(urls.UrlError):
        urls.parse(text)
