import pytest
from hypothesis import given, strategies as st

from digest.articles.pictures import header
from digest.articles.pictures.header import Seen
from tests.support import drawings


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF"])
def test_size_and_format_stand_in_the_first_kilobytes(kind: str) -> None:
    assert header.read(drawings.a_picture(kind)[:2048]) == Seen(kind.lower(), 800, 600)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF"])
def test_formats_that_are_not_measured_are_known_at_least(kind: str) -> None:
    start = drawings.a_picture(kind)[:64]
    assert header.read(start) == Seen(kind.lower())
    assert header.is_enough(start)


def test_a_photograph_that_lies_on_its_side_is_measured_as_it_stands() -> None:
    assert header.read(drawings.a_turned_photograph()[:4096]) == Seen("jpeg", 600, 800)


def test_a_bomb_costs_nothing_to_look_at() -> None:
    assert header.read(drawings.a_bomb()).kind == "png"


def test_reading_goes_on_until_the_size_is_known() -> None:
    late = drawings.a_picture(exif=b"Exif\0\0" + b"\0" * 40_000)
    assert header.read(late[:16_384]) == Seen("jpeg")
    assert not header.is_enough(late[:16_384])
    assert header.is_enough(late[:66_000])
    assert header.is_enough(b"\xff\xd8\xff" + bytes(header.MOST))


@pytest.mark.parametrize("start", [b"", b"<html><body>not found", drawings.SVG, b"\xff\xd8\xff", b"GIF89a"])
def test_what_is_no_picture_has_no_size(start: bytes) -> None:
    assert (header.read(start).width, header.read(start).height) == (0, 0)


@given(st.sampled_from(["JPEG", "PNG", "GIF"]), st.binary(max_size=300), st.integers(0, 300))
def test_no_bytes_make_it_raise(kind: str, noise: bytes, at: int) -> None:
    whole = drawings.a_picture(kind, (40, 30))
    header.read(whole[:at] + noise)
    header.read(whole[:at] + noise + whole[at + len(noise) :])
