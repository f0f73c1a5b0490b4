"""Which picture stands for an Article in a mail, and what is said of it to those who cannot see it. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from digest.articles.pictures import kinds

_ICON = 100  # pixels: what is smaller on any side shows nothing
_NARROW = 300  # pixels: stretched to a column it is a blur, so any other goes before it
_LONGEST = 5.0  # times as wide as high, or as high as wide: a banner or a ruler
_FILE_ENDING = re.compile(r"\.(?:jpe?g|png|gif|webp|avif|svg|bmp|tiff?|heic|jfif|ashx|aspx|php)$", re.IGNORECASE)
# What cameras and programs call a file, or what people write when they must write something.
_NO_WORDS = re.compile(
    r"(?:img|dsc|dscn|dscf|pxl|mvimg|screenshot|screen shot|image|photo|picture|pic|untitled|unnamed|thumbnail|banner"
    r"|featured image|hero|logo|foto|bild|imagen|imagem|immagine)(?:[\W_\d]|at|am|pm)*",
    re.IGNORECASE,
)
_LONGEST_WORDS = 300  # longer is a caption of several sentences, which would push the story from the screen


@dataclass(frozen=True, slots=True)
class Picture:
    """`width` and `height` are 0 where they are not known, `kind` is empty."""

    url: str
    alt: str = ""
    width: int = 0
    height: int = 0
    kind: str = ""


def best(found: Sequence[Picture]) -> Picture | None:
    """The first that fills a column, rather of a format shown everywhere; else the widest of the narrow ones."""
    return min((picture for picture in found if not _is_unfit(picture)), key=_rank, default=None)


def words(candidates: Iterable[str]) -> str:
    """The first that describes something: never a file's name."""
    lines = (" ".join(unicodedata.normalize("NFC", text).split()) for text in candidates)
    found = next((line for line in lines if line and not _is_no_description(line)), "")
    return found if len(found) <= _LONGEST_WORDS else found[: found.rfind(" ", 0, _LONGEST_WORDS)] + "…"


def _rank(picture: Picture) -> tuple[bool, bool, int]:
    is_narrow = 0 < picture.width < _NARROW
    return is_narrow, not kinds.is_shown_everywhere(picture.kind), -picture.width if is_narrow else 0


def _is_unfit(picture: Picture) -> bool:
    sides = [side for side in (picture.width, picture.height) if side]
    is_long = len(sides) == 2 and max(sides) > _LONGEST * min(sides)
    return is_long or any(side < _ICON for side in sides)


def _is_no_description(text: str) -> bool:
    is_slug = " " not in text and (len(re.findall(r"[-_]", text)) > 1 or bool(re.search(r"\d{4}|[0-9a-f]{12}", text)))
    return bool(_FILE_ENDING.search(text) or _NO_WORDS.fullmatch(text)) or is_slug or not re.search(r"\w", text)
