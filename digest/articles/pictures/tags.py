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
# "300w", and the next address where somebody left out the space after the comma.
_DESCRIPTOR = re.compile(r"(?:(\d{1,5})w|\d{1,2}(?:\.\d{1,3})?x)(?:,(\S*))?", re.ASCII)
_LONGEST_SRCSET = 20_000
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
    """Addresses with their widths. Commas may stand in an address (image services), so white space tells the parts."""
    url, count = "", 0
    for token in srcset[:_LONGEST_SRCSET].split():
        descriptor = _DESCRIPTOR.fullmatch(token) if url else None
        if descriptor is None:
            url = "" if token.endswith(",") else token  # with a comma behind it, it has no descriptor
            continue
        if descriptor[1] and not url.startswith("data:"):
            yield url, int(descriptor[1])
            count += 1
        if count == _MOST_CANDIDATES:
            return
        url = descriptor[2] or ""


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
