"""Pictures of a mail as people meet it: on a desktop and a phone, in light and dark, with images and without.

Images are fetched once, by us and guarded like feeds; the browser itself has no network.
"""

import asyncio
import dataclasses
import itertools
import re
from collections.abc import Iterator, Sequence
from html import unescape
from pathlib import Path

from digest.articles import fetch
from digest.commands import browser, files

# What most programs leave a mail on a desktop, and the narrowest phone still sold.
WIDTHS = {"desktop": 680, "phone": 320}
SCHEMES: tuple[browser.Scheme, ...] = ("light", "dark")
# Of one mail, and of one image: more is a mistake, and memory.
MOST_IMAGES, MOST_BYTES = 100, 20_000_000
AT_ONCE = 8
_SOURCE = re.compile(r"""<img\b[^>]*?\bsrc=(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Page:
    """A mail to take pictures of; `name` begins their file names."""

    name: str
    html: str


@dataclasses.dataclass(frozen=True)
class Pose:
    """One picture of a page."""

    device: str
    scheme: browser.Scheme
    has_images: bool

    @property
    def view(self) -> browser.View:
        return browser.View(WIDTHS[self.device], self.scheme)

    @property
    def name(self) -> str:
        return "-".join((self.device, self.scheme, *(() if self.has_images else ("no-images",))))


@dataclasses.dataclass(frozen=True)
class Taken:
    """What was written, and what somebody should know of it."""

    paths: list[Path]
    remarks: list[str]


def poses() -> Iterator[Pose]:
    yield from (Pose(*one) for one in itertools.product(WIDTHS, SCHEMES, (True, False)))


def take(pages: Sequence[Page], folder: Path, images: browser.Images) -> Taken:
    """Every page in every pose. Raises BrowserError."""
    taken = Taken([], [])
    with browser.opened() as opened:
        for page, pose in itertools.product(pages, poses()):
            shot = browser.shoot(opened, page.html, pose.view, images if pose.has_images else {})
            taken.paths.append(files.write(folder / f"{page.name}-{pose.name}.png", shot.png))
            if shot.overhang:
                taken.remarks.append(f"{taken.paths[-1].name}: {shot.overhang} pixels wider than the window")
    return taken


def addresses(html: str) -> list[str]:
    """Of the images a mail shows, each once, in their order."""
    found = (unescape(double or single) for double, single in _SOURCE.findall(html))
    return [url for url in dict.fromkeys(found) if url.startswith(("http://", "https://"))][:MOST_IMAGES]


async def load(urls: Sequence[str], limits: fetch.Limits) -> tuple[dict[str, bytes], list[str]]:
    """The images that could be had, and why the others could not."""
    limits = dataclasses.replace(limits, max_bytes=MOST_BYTES)
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(url: str) -> fetch.Result:
        async with turns:
            return await fetch.get(url, limits=limits)

    answers = dict(zip(urls, await asyncio.gather(*map(one, urls)), strict=True))
    images = {url: answer.body for url, answer in answers.items() if isinstance(answer, fetch.Document)}
    missing = [f"{url}: {_reason(answer)}" for url, answer in answers.items() if url not in images]
    return images, missing


def _reason(answer: fetch.Result) -> str:
    return answer.reason if isinstance(answer, fetch.Refused) else "it is gone for good"
