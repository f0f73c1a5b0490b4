"""What a Publication lends to its mails: name, address, colours, logo, language, topics; and the palette made of them.

The palette is computed, not trusted: a colour that could not be read on its ground is moved until its contrast is
4.5 (WCAG 2.2, 1.4.3), in light and in dark. Pure.
"""

import functools
import hashlib
from dataclasses import dataclass, field, replace

from digest import publications
from digest.editions import tidy

CONTRAST = 4.5
# On a dark ground coloured text glares less and blurs more: it is given more than the rule demands.
DARK_CONTRAST = 6.5
BLACK, WHITE = "#000000", "#ffffff"
# The dark grounds are ours: a Publication chooses one set of colours, and a tinted black is seldom among them.
DARK_PAGE, DARK_CARD, DARK_TEXT = "#101417", "#1a2025", "#e6ebef"


@dataclass(frozen=True)
class Look:
    """`topics` are (slug, name) in the Publication's order; `base_url` has no trailing slash."""

    name: str
    base_url: str
    slug: str = ""
    tagline: str = ""
    postal_address: str = ""
    colours: publications.Colours = field(default_factory=publications.Colours)
    theme: publications.Theme = field(default_factory=publications.Theme)
    logo: publications.Logo | None = None
    subject: str = ""
    locale: str = "en"
    timezone: str = "UTC"
    layout: str = "digest"
    # One Article sent as it happens has a form of its own, whatever the layout.
    is_single: bool = False
    topics: tuple[tuple[str, str], ...] = ()

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(repr(self).encode()).hexdigest()


def of(spec: publications.Spec, base_url: str) -> Look:
    """The Look of a Publication; `base_url` is the site's, used where the Publication names none."""
    return Look(
        name=spec.name,
        base_url=spec.base_url or base_url.rstrip("/"),
        slug=spec.slug,
        tagline=spec.tagline,
        postal_address=spec.postal_address,
        colours=spec.colours,
        theme=spec.theme,
        logo=spec.logo,
        subject=spec.subject,
        locale=spec.locale,
        timezone=spec.timezone,
        layout=spec.layout,
        topics=tuple((topic.slug, topic.name) for topic in spec.topics),
    )


def suited(look: Look, frequency: str, count: int) -> Look:
    """The Look for a digest of so many Articles: one alone, sent as it happens, has a form of its own."""
    return replace(look, is_single=frequency == "instant" and count == 1)


def clean(look: Look) -> Look:
    """The Look with its texts fit for a mail; the postal address keeps its lines."""
    return replace(
        look,
        name=tidy.line(look.name),
        tagline=tidy.line(look.tagline),
        postal_address="\n".join(filter(None, map(tidy.line, look.postal_address.splitlines()))),
        topics=tuple((slug, tidy.line(name)) for slug, name in look.topics),
    )


@dataclass(frozen=True)
class Shades:
    """One scheme, light or dark: the page, the card on it, what stands on both; `ink` stands on the accent, and
    `tint` is the ground where a picture is missing.
    """

    page: str
    card: str
    text: str
    muted: str
    accent: str
    rule: str
    ink: str
    tint: str


@dataclass(frozen=True)
class Palette:
    light: Shades
    dark: Shades


@functools.lru_cache(maxsize=256)
def palette(colours: publications.Colours) -> Palette:
    page = colours.background
    card = WHITE if _far_end(page) == BLACK else _lifted(page)
    light = _shades(page, card, colours.text, colours.accent)
    dark = _shades(DARK_PAGE, DARK_CARD, DARK_TEXT, readable(colours.accent, DARK_CARD, least=DARK_CONTRAST))
    return Palette(light, dark)


def adjustments(colours: publications.Colours) -> list[str]:
    """Which of the chosen colours are not shown as they were chosen, in words for the publisher."""
    light = palette(colours).light
    pairs = (("text", colours.text, light.text), ("accent", colours.accent, light.accent))
    return [
        f"colours.{name}: {chosen} was {_moved(chosen, shown)} to {shown}, so that it can be read "
        f"(on its ground it had a contrast of {_least(chosen, light):.1f}; {CONTRAST} is the least)"
        for name, chosen, shown in pairs
        if chosen != shown
    ]


def _moved(chosen: str, shown: str) -> str:
    return "darkened" if _luminance(shown) < _luminance(chosen) else "lightened"


def _least(colour: str, shades: Shades) -> float:
    return min(contrast(colour, shades.page), contrast(colour, shades.card))


def _lifted(page: str) -> str:
    """Paper a shade lighter than a dark page, if white can still be read on it."""
    card = mix(WHITE, page, 0.06)
    return card if contrast(WHITE, card) >= DARK_CONTRAST else page


def _shades(page: str, card: str, text: str, accent: str) -> Shades:
    # All of it stands on the page and on the card, and black or white can be read on both.
    text, accent = readable(text, card, page), readable(accent, card, page)
    tint = mix(accent, card, 0.08)
    return Shades(
        page=page,
        card=card,
        text=text,
        muted=readable(mix(text, card, 0.68), card, page),
        accent=accent,
        rule=mix(text, card, 0.14),
        ink=readable(card, accent),
        tint=tint if contrast(text, tint) >= CONTRAST else card,
    )


def readable(colour: str, *grounds: str, least: float = CONTRAST) -> str:
    """The colour, moved towards black or white in small steps until it can be read on these grounds."""
    end = _far_end(grounds[0])
    for step in range(21):
        moved = mix(end, colour, step / 20)
        if all(contrast(moved, ground) >= least for ground in grounds):
            return moved
    return end


def _far_end(ground: str) -> str:
    return max(BLACK, WHITE, key=lambda end: contrast(end, ground))


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2.2, from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def mix(one: str, other: str, share: float) -> str:
    """`share` of the one in the other."""
    pairs = zip(_rgb(one), _rgb(other), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _rgb(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
