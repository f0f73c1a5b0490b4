"""Pictures are redrawn by a real process; hostile ones end it, and nothing else."""

import io
import os

import pytest
from PIL import Image

from digest.articles.pictures import redraw, studio
from tests.support import drawings

pytestmark = pytest.mark.anyio


async def redrawn(original: bytes) -> studio.Copy:
    copy = await studio.redrawn(original)
    assert isinstance(copy, studio.Copy), copy
    return copy


async def refused(original: bytes) -> str:
    unfit = await studio.redrawn(original)
    assert isinstance(unfit, studio.Unfit), unfit
    return unfit.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "WEBP", "AVIF"])
async def test_any_format_becomes_a_jpeg_of_a_mails_width(kind: str) -> None:
    copy = await redrawn(drawings.a_picture(kind, (2000, 1500)))
    assert (copy.kind, copy.width, copy.height) == ("jpeg", 1072, 804)
    with Image.open(io.BytesIO(copy.content)) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (1072, 804), "RGB")


async def test_a_small_picture_stays_small() -> None:
    copy = await redrawn(drawings.a_picture(size=(300, 200)))
    assert (copy.width, copy.height) == (300, 200)


async def test_what_shines_through_stays_so() -> None:
    content = io.BytesIO()
    Image.new("RGBA", (400, 300), (9, 9, 9, 0)).save(content, "PNG")
    assert (await redrawn(content.getvalue())).kind == "png"
    assert (await redrawn(drawings.a_picture("PNG", mode="RGBA"))).kind == "jpeg"  # full everywhere


@pytest.mark.parametrize("mode", ["L", "CMYK"])
async def test_other_colours_become_those_of_screens(mode: str) -> None:
    copy = await redrawn(drawings.a_picture(mode=mode))
    with Image.open(io.BytesIO(copy.content)) as image:
        assert image.mode == "RGB"


async def test_nothing_is_told_of_the_photographer() -> None:
    copy = await redrawn(drawings.a_turned_photograph())
    assert (copy.width, copy.height) == (600, 800)
    with Image.open(io.BytesIO(copy.content)) as image:
        assert dict(image.getexif()) == {}
    assert b"A Camera" not in copy.content


@pytest.mark.parametrize(
    ("original", "reason"),
    [
        (drawings.a_bomb(), "it has 60000 × 60000 pixels, more than anybody needs"),
        (drawings.a_picture()[:3000], "it is damaged, or no picture"),
        (drawings.a_bomb(900, 900)[:200], "it is damaged, or no picture"),
        (b"<html>not found</html>", "it is damaged, or no picture"),
        (drawings.SVG, "it is damaged, or no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is damaged, or no picture"),
        (b"", "it is damaged, or no picture"),
    ],
    ids=["bomb", "cut jpeg", "cut png", "page", "svg", "postscript", "empty"],
)
async def test_what_cannot_be_drawn_is_refused_in_plain_words(original: bytes, reason: str) -> None:
    assert await refused(original) == reason


async def test_a_picture_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(studio, "SECONDS", 0.001)
    assert "took longer" in await refused(drawings.a_picture(size=(4000, 3000)))


async def test_it_never_sees_our_keys(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """The process is replaced by one that writes down its environment."""
    monkeypatch.setenv("DIGEST_SECRET_KEYS", "a-secret")
    spy = tmp_path / "python"
    spy.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\n")
    spy.chmod(0o755)
    monkeypatch.setattr(studio.sys, "executable", str(spy))
    assert await refused(b"x") == "drawing it failed"
    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert "a-secret" not in seen
    assert os.environ["DIGEST_SECRET_KEYS"] == "a-secret"


def test_the_limit_of_pixels_fits_into_the_limit_of_memory() -> None:
    # Drawn once as it was read, and once with an alpha channel.
    assert 2 * 4 * redraw.MOST_PIXELS < redraw.MOST_MEMORY
