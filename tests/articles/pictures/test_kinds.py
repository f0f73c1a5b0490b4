import pytest

from digest.articles.pictures import kinds


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://a.example/x.JPG?w=9", "jpeg"),
        ("https://a.example/x.jpeg#top", "jpeg"),
        ("https://a.example/x.webp", "webp"),
        ("https://a.example/x.svgz", "svg"),
        ("https://a.example/x.jpg?fm=webp&w=9", "webp"),
        ("https://a.example/x?w=9&format=avif", "avif"),
        ("https://a.example/x?f=auto", ""),
        ("https://a.example/image/fetch/w_1456/https%3A%2F%2Fb.example%2Fx", ""),
        ("https://a.example/x.php", ""),
        ("https://a.example/", ""),
        ("https://[", ""),
    ],
)
def test_formats_by_address(url: str, kind: str) -> None:
    assert kinds.of_url(url) == kind


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("image/jpeg", "jpeg"), ("IMAGE/PNG; q=1", "png"), ("image/svg+xml", "svg"), ("text/html", ""), (None, "")],
)
def test_formats_by_type(content_type: str | None, kind: str) -> None:
    assert kinds.of_type(content_type) == kind


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"\x89PNG\r\n\x1a\n...", "png"),
        (b"GIF89a", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\0\0\0\0WAVE", ""),
        (b"\0\0\0\x20ftypavif", "avif"),
        (b"\0\0\0\x20ftypheic", "heic"),
        (b"\0\0\0\x20ftypisom", ""),
        (b"<?xml version='1.0'?><svg>", "svg"),
        (b"\xef\xbb\xbf <svg xmlns=''>", "svg"),
        (b"<html>", ""),
        (b"", ""),
    ],
)
def test_formats_by_their_first_bytes(start: bytes, kind: str) -> None:
    assert kinds.of_bytes(start) == kind


def test_what_classic_outlook_does_not_show_is_not_shown_everywhere() -> None:
    shown = [kind for kind in ("jpeg", "png", "gif", "", "webp", "avif", "svg") if kinds.is_shown_everywhere(kind)]
    assert shown == ["jpeg", "png", "gif", ""]
