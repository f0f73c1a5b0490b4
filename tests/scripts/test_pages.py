"""The pictures of pages: none is left out, and one command makes them."""

from pathlib import Path

import pages_main
from PIL import Image

from tests.support import gallery


def test_every_page_has_its_place_on_one_sheet() -> None:
    placed = [name for names in pages_main.SHEETS.values() for name in names.split()]
    assert sorted(placed) == sorted(gallery.POSES)


def test_every_language_of_page_and_both_schemes_are_shown() -> None:
    assert {look[:2] for look in pages_main.LOOKS} >= {("en", "light"), ("en", "dark"), ("ar", "light")}
    assert {width for *_, width in pages_main.LOOKS} == {pages_main.PHONE, pages_main.DESKTOP}


def test_pictures_are_joined_and_written_at_full_size_if_asked(tmp_path: Path) -> None:
    out, single = tmp_path / "out", tmp_path / "single"
    assert pages_main.main(["--out", str(out), "--single", str(single), "--only", "home"]) == 0
    assert [path.name for path in out.iterdir()] == ["pages-reading.webp"]
    assert len(list(single.iterdir())) == len(pages_main.LOOKS)
    with Image.open(single / "home-ar-light-360.png") as picture:
        assert picture.width == pages_main.PHONE
