import pytest

from digest.articles.pictures import choice
from digest.articles.pictures.choice import Picture


def of(name: str, width: int = 0, height: int = 0, kind: str = "jpeg") -> Picture:
    return Picture(name, width=width, height=height, kind=kind)


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ([], None),
        ([of("a"), of("b", 1200, 800)], "a"),
        ([of("thumb", 150, 150), of("wide", 800, 600)], "wide"),
        ([of("thumb", 150, 150), of("unknown")], "unknown"),
        ([of("thumb", 150, 150), of("larger", 250, 150)], "larger"),
        ([of("icon", 72, 72)], None),
        ([of("ruler", 600, 20), of("banner", 900, 100)], None),
        ([of("new", 1200, 800, "webp"), of("old", 600, 400)], "old"),
        ([of("new", 1200, 800, "avif")], "new"),
        ([of("thumb", 150, 150), of("new", 1200, 800, "webp")], "new"),
    ],
)
def test_the_picture_that_stands_for_an_article(found: list[Picture], best: str | None) -> None:
    chosen = choice.best(found)
    assert (chosen and chosen.url) == best


@pytest.mark.parametrize(
    ("candidates", "words"),
    [
        (["A salt shaker"], "A salt shaker"),
        (["", "A caption"], "A caption"),
        (["IMG_1234.JPG", "A caption"], "A caption"),
        (["dsc 0042"], ""),
        (["salt-shaker-on-table"], ""),
        (["Screenshot 2026-11-03 at 10.12.13"], ""),
        (["featured image"], ""),
        (["20261103_081500"], ""),
        (["hero.webp"], ""),
        (["Covid-19"], "Covid-19"),
        (["Image of a heart"], "Image of a heart"),
        (["…"], ""),
        ([" A\n dog "], "A dog"),
        ([], ""),
    ],
)
def test_words_for_those_who_cannot_see_it_are_never_a_file_name(candidates: list[str], words: str) -> None:
    assert choice.words(candidates) == words


def test_long_captions_are_cut() -> None:
    assert len(choice.words(["A dog and a cat. " * 50])) <= 300
