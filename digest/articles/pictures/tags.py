"""<img> tags of an Article: read, given their real source, taken out where they are noise. Pure.

Takes the output of the HTML cleaner only, which writes attributes in double quotes and escapes ">" in them.
"""

import html
import re
from collections.abc import Iterable, Iterator, Mapping

from digest.articles import weblinks
from digest.articles.pictures import choice, kinds, noise

# What tells noise and the real source, besides the attributes that stay. Nothing of it is left in an Article.
LOOKED_AT = {"class", "style", "hidden", "srcset", "data-src", "data-lazy-src", "data-original", "data-srcset"}
KEPT = ("src", "alt", "title", "width", "height", "lang", "dir")
# Pages that load pictures late have a placeholder in src.
_LATE = ("data-src", "data-lazy-src", "data-original")
_COLUMN = 600  # pixels: a copy narrower than our column is no better than what stands in src
# Twice the width of our column: what a sharp screen shows, and no more.
WIDTH = 1072
_IMAGE = re.compile(r"<img\b[^>]*>")
_ATTRIBUTE = re.compile(r'([a-z-]+)="([^"]*)"')
_FIGURE = re.compile(r"<figure\b[^>]*>(.*?)</figure>", re.DOTALL)
_CAPTION = re.compile(r"<figcaption\b[^>]*>(.*?)</figcaption>", re.DOTALL)
# Commas may stand in addresses (image services), so only one before white space ends a candidate (HTML §4.8.4.2.1).
_CANDIDATE = re.compile(r"\s*(\S+?)(?:\s+(\d{1,5})w|\s+(\d(?:\.\d+)?)x)?\s*(?:,\s+|,?$)")
_MOST_CANDIDATES = 30


def mended(markup: str, base: str) -> str:
    """Each picture once: pages that load them late carry a second <img> for browsers without scripts."""
    seen: set[str] = set()

    def once(match: re.Match[str]) -> str:
        tag = _mended(match[0], base)
        is_repeated = tag.startswith("<img") and tag.partition(" alt=")[0] in seen
        seen.add(tag.partition(" alt=")[0])
        return "" if is_repeated else tag

    return _IMAGE.sub(once, markup)


def read(safe: str) -> list[choice.Picture]:
    """The pictures of a cleaned Article in order, each with the words that belong to it."""
    captions = _captions(safe) if "<figcaption" in safe else {}
    return [_picture(match, captions) for match in _IMAGE.finditer(safe) if 'src="' in match[0]]


def attributes(tag: str) -> dict[str, str]:
    return {name: html.unescape(value) for name, value in _ATTRIBUTE.findall(tag)}


def _mended(tag: str, base: str) -> str:
    image = attributes(tag)
    if noise.is_emoji(image):
        return html.escape(image.get("alt", ""), quote=False)
    source = _source(image, base)
    if source is None or noise.is_noise(image | {"src": source}):
        return ""
    kept = image | {"src": source}
    written = " ".join(f'{name}="{html.escape(kept[name])}"' for name in KEPT if name in kept)
    return f"<img {written}>"


def _source(image: Mapping[str, str], base: str) -> str | None:
    """The address to show: of the formats shown everywhere, and of the width our column can use."""
    plain = [image[name] for name in (*_LATE, "src") if image.get(name)]
    sized = [pair for name in ("data-srcset", "srcset") for pair in _candidates(image.get(name, ""))]
    least = max(_COLUMN, noise.pixels(image.get("width")))
    found = [*_fitting(pair for pair in sized if pair[1] >= least), *plain, *(url for url, _ in sized)]
    absolute = [url for written in found if (url := weblinks.absolute(written, base))]
    real = [url for url in absolute if not noise.is_beacon(url)] or absolute
    return next((url for url in real if kinds.is_shown_everywhere(kinds.of_url(url))), real[0] if real else None)


def _candidates(srcset: str) -> Iterator[tuple[str, int]]:
    for number, match in enumerate(_CANDIDATE.finditer(srcset)):
        if number == _MOST_CANDIDATES:
            return
        if match[1] and not match[1].startswith("data:") and match[2]:
            yield match[1], int(match[2])


def _fitting(sized: Iterable[tuple[str, int]]) -> list[str]:
    """The narrowest that fills the column on a sharp screen first, then the others from wide to narrow."""
    pairs = sorted(sized, key=lambda pair: pair[1])
    wide, others = [p for p in pairs if p[1] >= WIDTH], [p for p in pairs if p[1] < WIDTH]
    return [url for url, _ in (*wide[:1], *reversed(others), *wide[1:])]


def _captions(safe: str) -> dict[int, str]:
    """Captions by the place of the picture they belong to. One for several pictures belongs to none."""
    found = {}
    for figure in _FIGURE.finditer(safe):
        images, caption = list(_IMAGE.finditer(figure[1])), _CAPTION.search(figure[1])
        if caption and len(images) == 1:
            found[figure.start(1) + images[0].start()] = re.sub(r"<[^<>]*>", " ", caption[1])
    return found


def _picture(match: re.Match[str], captions: Mapping[int, str]) -> choice.Picture:
    image = attributes(match[0])
    words = (image.get("alt", ""), html.unescape(captions.get(match.start(), "")), image.get("title", ""))
    width, height = noise.pixels(image.get("width")), noise.pixels(image.get("height"))
    return choice.Picture(image["src"], choice.words(words), width, height, kinds.of_url(image["src"]))
