"""Which pictures stand on which sheet, and in which words it is introduced. Pure."""

import dataclasses
from collections.abc import Iterator, Sequence

from sample_mails import Sample

from digest.commands import browser
from digest.editions import typeset

DESKTOP, PHONE = 600, 320


@dataclasses.dataclass(frozen=True)
class Panel:
    """One picture: a mail as one reader sees it."""

    sample: Sample
    view: browser.View
    has_images: bool = True

    @property
    def caption(self) -> str:
        words = [self.sample.content, f"{self.view.width} px", self.view.scheme]
        return ", ".join(words if self.has_images else [*words, "images off"])

    @property
    def name(self) -> str:
        parts = [self.sample.name, str(self.view.width), self.view.scheme]
        return "-".join(parts if self.has_images else [*parts, "no-images"])


@dataclasses.dataclass(frozen=True)
class Sheet:
    name: str
    title: str
    text: str
    panels: tuple[Panel, ...]


def sheets(layouts: Sequence[str]) -> Iterator[Sheet]:
    for layout in layouts:
        yield Sheet(
            layout,
            f"`{layout}`: five articles",
            "On a desktop and on a narrow phone; in light, in dark, and before images are let through.",
            tuple(_poses(Sample(layout, "five"))),
        )
        yield Sheet(
            f"{layout}-rtl",
            f"`{layout}`, from right to left",
            "The same with Arabic articles, for a reader of Arabic.",
            tuple(_poses(Sample(layout, "five", "ar"))),
        )
        yield Sheet(
            f"{layout}-amounts",
            f"`{layout}`: much, little, and awkward",
            "One, fifteen and sixty articles, and articles nobody designs for: a title of 300 characters, nothing but "
            "a title, emoji, words without an end, another direction, a picture that is gone.",
            tuple(_amounts(layout)),
        )
    yield Sheet(
        "instant",
        "One article, as it happens",
        "What `instant` readers get when a single article is new; it has a form of its own.",
        tuple(_poses(Sample("digest", "instant"))),
    )
    yield Sheet("notices", "Notices", "Mails that are no digest, in the first layout.", tuple(_notices()))


def _poses(sample: Sample) -> Iterator[Panel]:
    for width in (DESKTOP, PHONE):
        yield Panel(sample, browser.View(width, "light"))
        yield Panel(sample, browser.View(width, "dark"))
        yield Panel(sample, browser.View(width, "light"), has_images=False)


def _amounts(layout: str) -> Iterator[Panel]:
    for content in ("one", "fifteen", "sixty", "extremes"):
        yield Panel(Sample(layout, content), browser.View(DESKTOP, "light"))
    yield Panel(Sample(layout, "sixty"), browser.View(PHONE, "dark"))
    yield Panel(Sample(layout, "extremes"), browser.View(PHONE, "light"))
    yield Panel(Sample(layout, "extremes"), browser.View(PHONE, "dark"), has_images=False)


def _notices() -> Iterator[Panel]:
    for content in typeset.NOTICES:
        yield Panel(Sample(typeset.BASE, content), browser.View(DESKTOP, "light"))
        yield Panel(Sample(typeset.BASE, content), browser.View(PHONE, "dark"))


def readme(made: Sequence[Sheet]) -> str:
    """The page that shows the sheets."""
    lines = [
        "# What the mails look like",
        "",
        "Made by `scripts/sheet` from the sample articles, with the templates as they are here. Nothing is retouched.",
        "Pictures of your own publication: `digest preview PUBLICATION --out FOLDER --png`.",
        "",
    ]
    for sheet in made:
        shown = "; ".join(panel.caption for panel in sheet.panels)
        lines += [f"## {sheet.title}", "", sheet.text, "", f"![{sheet.title}: {shown}]({sheet.name}.webp)", ""]
    return "\n".join(lines[:-1]) + "\n"
