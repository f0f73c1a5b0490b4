"""Whether every text can be read on its ground, in light and in dark (WCAG 2.2, 1.4.3). Pure.

Styles are inlined in a mail, so its light colours stand in attributes; the dark ones come from the rules under
`prefers-color-scheme: dark`. Both are handed down as a browser does it.
"""

import dataclasses
from collections.abc import Iterator
from typing import Any

import tinycss2.color3
from cssselect import SelectorError
from lxml.cssselect import CSSSelector

from digest.lint import page as pages, styles
from digest.lint.finding import Finding, error, shown

LEAST = 4.5
WHITE, BLACK = (255, 255, 255), (0, 0, 0)
Colour = tuple[int, int, int]
Rules = list[tuple[CSSSelector, str, Colour]]


@dataclasses.dataclass(frozen=True, slots=True)
class Shade:
    text: Colour
    ground: Colour


def check(page: pages.Page) -> Iterator[Finding]:
    if page.body is None:
        return
    yield from _walk(page, {}, Shade(BLACK, WHITE), "light")
    dark = _dark(page)
    if dark:
        yield from _walk(page, dark, Shade(BLACK, WHITE), "dark")


def _walk(
    page: pages.Page, over: dict[pages.Element, dict[str, Colour]], start: Shade, scheme: str
) -> Iterator[Finding]:
    """Depth first, as colours are handed down; each pair of colours is told once."""
    told: set[tuple[Colour, Colour]] = set()
    waiting: list[tuple[pages.Element, Shade]] = [(page.body, start)] if page.body is not None else []
    while waiting:
        element, inherited = waiting.pop()
        shade = _shade(element, inherited, over.get(element, {}))
        for text in _own_text(element):
            pair = (shade.text, shade.ground)
            ratio = contrast(*pair)
            if ratio < LEAST and pair not in told:
                told.add(pair)
                colours = f"{_hex(shade.text)} on {_hex(shade.ground)}"
                what = f"{shown(text, 40)} has a contrast of {ratio:.1f} ({colours}) in {scheme}"
                yield error(f"contrast-{scheme}", pages.place(element), what, f"make it at least {LEAST}")
        waiting += [(child, shade) for child in reversed(element) if isinstance(child.tag, str)]


def _own_text(element: pages.Element) -> Iterator[str]:
    if element.tag in ("style", "script", "title"):
        return
    pieces = [element.text, *(child.tail for child in element)]
    yield from (" ".join(piece.split()) for piece in pieces if piece and piece.strip(" \n\t\u00a0\u200c\u00ad"))
    if element.tag == "img" and element.get("alt"):
        yield element.get("alt", "")


def _shade(element: pages.Element, inherited: Shade, over: dict[str, Colour]) -> Shade:
    own: dict[str, Colour] = {}
    if ground := _colour(element.get("bgcolor", "")):
        own["background-color"] = ground
    if text := _colour(element.get("color", "")):
        own["color"] = text
    own |= _colours(element.get("style", "")) | over
    return Shade(own.get("color", inherited.text), own.get("background-color", inherited.ground))


def _colours(style: str) -> dict[str, Colour]:
    found = {}
    for one in tinycss2.parse_declaration_list(style, True, True):
        if one.type == "declaration" and one.lower_name in ("color", "background-color", "background"):
            name = "background-color" if one.lower_name == "background" else one.lower_name
            if colour := _first_colour(one.value):
                found[name] = colour
    return found


def _first_colour(tokens: list[Any]) -> Colour | None:
    return next((found for token in tokens if (found := _as_colour(token))), None)


def _colour(text: str) -> Colour | None:
    return _as_colour(text.strip()) if text.strip() else None


def _as_colour(token: Any) -> Colour | None:
    found = tinycss2.color3.parse_color(token)
    # One that is see-through shows what is behind it.
    if found is None or isinstance(found, str) or found.alpha < 1:
        return None
    return round(found.red * 255), round(found.green * 255), round(found.blue * 255)


def _dark(page: pages.Page) -> dict[pages.Element, dict[str, Colour]]:
    """What the rules for dark say of each element. Only those marked important beat an attribute."""
    found: dict[pages.Element, dict[str, Colour]] = {}
    for one in styles.declarations(page):
        if "prefers-color-scheme: dark" not in one.media or not one.is_important:
            continue
        for name, colour in _colours(f"{one.name}: {one.value}").items():
            for element in _selected(page, one.selector):
                found.setdefault(element, {})[name] = colour
    return found


def _selected(page: pages.Page, selector: str) -> list[pages.Element]:
    try:
        return list(CSSSelector(selector)(page.root))
    except SelectorError:
        # Something that has no elements by itself, such as :hover.
        return []


def contrast(one: Colour, other: Colour) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: Colour) -> float:
    red, green, blue = (_linear(channel / 255) for channel in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _hex(colour: Colour) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in colour)
