"""Pictures of every page readers can meet, joined to sheets: `scripts/pages [--out FOLDER] [--single FOLDER]`.

Writes pages-<sheet>.webp and pages.md; with --single every picture too, at full size, to be looked at one by one. Ends
with 1 when a page did what no page may do, such as asking another site for something or showing nothing for a second.
"""

import argparse
import asyncio
import dataclasses
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from digest import database  # noqa: E402
from digest.run import schema  # noqa: E402
from tests.support import browsing, gallery  # noqa: E402

SHEETS = {
    "sign-up": """subscribe subscribe-opened subscribe-mistaken subscribe-in-haste asked confirm confirmed
        confirm-too-late closed embed""",
    "changing": """less less-chosen topics topics-opened topics-mistaken topics-chosen pause pause-mistaken paused
        pause-again resume undo nothing-to-undo""",
    "leaving": """unsubscribe left left-and-said-why come-back left-long-ago unsubscribe-by-old-mail old-link erase
        erased""",
    "settings": """settings settings-linked manage manage-opened manage-saved manage-mistaken manage-in-a-pause
        manage-too-late""",
    "address": """manage-address-asked manage-address-mistaken moving address moved-by-half moved moved-to-nobody
        moving-too-late""",
    "reading": "home archive archive-dates archive-page archive-without-a-page more mail-gone lost nowhere",
}
PHONE, DESKTOP = 360, 900
SCALE = {PHONE: 0.6, DESKTOP: 0.24}
# One row of each sheet for each.
LOOKS = (("en", "light", PHONE), ("en", "dark", PHONE), ("ar", "light", PHONE), ("en", "light", DESKTOP))
WINDOW = browsing.Window(DESKTOP, 560)
# To the first content; never asserted by a test, for machines are shared.
MOST_PAINT_MS = 1_000
GAP, HEAD, QUALITY = 20, 28, 70
PAPER, INK = "#8f979c", "#101417"
# (pose, language, scheme, width) → PNG
Shots = dict[tuple[str, str, str, int], bytes]


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    shots, faults = asyncio.run(_taken(options.only))
    if options.single:
        _write_singles(options.single, shots)
    options.out.mkdir(parents=True, exist_ok=True)
    taken = {name for name, *_ in shots}
    for sheet, names in SHEETS.items():
        shown = [name for name in names.split() if name in taken]
        if shown:
            _joined(shots, shown).save(options.out / f"pages-{sheet}.webp", "WEBP", quality=QUALITY, method=6)
    if not options.only:
        (options.out / "pages.md").write_text(readme(), encoding="utf-8")
    print(f"{len(taken)} pages, {len(shots)} pictures")
    for fault in faults:
        print(f"scripts/pages: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/pages", description="Pictures of every page readers can meet.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="default: docs/pictures")
    parser.add_argument("--single", type=Path, help="where every picture goes by itself as PNG")
    parser.add_argument("--only", action="append", choices=list(gallery.POSES), help="more than once for more")
    return parser.parse_args(arguments)


async def _taken(only: Sequence[str] | None) -> tuple[Shots, list[str]]:
    shots, faults = Shots(), list[str]()
    async with browsing.started() as browser:
        for locale in sorted({locale for locale, *_ in LOOKS}):
            with tempfile.TemporaryDirectory() as folder:
                url = await _database(Path(folder))
                async with gallery.opened(url, Path(folder), locale) as stage:
                    for name in only or gallery.POSES:
                        try:
                            await _pose(browser, stage, gallery.POSES[name], shots)
                        except AssertionError as error:
                            faults.append(f"{name} ({locale}): {error}")
    return shots, faults


async def _database(folder: Path) -> str:
    url = f"sqlite:///{folder / 'digest.db'}"
    db = database.connect(url)
    await schema.upgrade(db)
    await db.close()
    return url


async def _pose(browser: browsing.async_api.Browser, stage: gallery.Stage, pose: gallery.Pose, shots: Shots) -> None:
    """The page as it stands, in each look of this language: it is opened twice, for a phone is no narrow desktop."""
    for width, window in ((PHONE, browsing.PHONE), (DESKTOP, WINDOW)):
        schemes = [scheme for locale, scheme, wide in LOOKS if (locale, wide) == (stage.locale, width)]
        if not schemes:
            continue
        own = dataclasses.replace(window, language=stage.locale)
        async with browsing.visiting(browser, stage.house.url, own) as visitor:
            await pose.act(stage, visitor)
            assert visitor.slowest <= MOST_PAINT_MS, f"first content after {visitor.slowest:.0f} ms"
            for scheme in schemes:
                await visitor.page.emulate_media(color_scheme=scheme)
                shots[pose.name, stage.locale, scheme, width] = await visitor.page.screenshot(full_page=True)


def _write_singles(folder: Path, shots: Shots) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for (name, locale, scheme, width), png in shots.items():
        (folder / f"{name}-{locale}-{scheme}-{width}.png").write_bytes(png)


def _joined(shots: Shots, names: Sequence[str]) -> Image.Image:
    """A column for each page, under its name, and a row for each look."""
    rows = [[_scaled(shots[name, *look], look[-1]) for name in names] for look in LOOKS]
    columns = [max(row[at].width for row in rows) for at in range(len(names))]
    heights = [max(one.height for one in row) for row in rows]
    size = (sum(columns) + GAP * (len(names) + 1), HEAD + sum(heights) + GAP * (len(rows) + 1))
    joined = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(joined), ImageFont.load_default(size=15)
    left = GAP
    for at, name in enumerate(names):
        pen.text((left, 8), name, fill=INK, font=font)
        top = HEAD + GAP // 2
        for row, height in zip(rows, heights, strict=True):
            joined.paste(row[at], (left, top))
            top += height + GAP
        left += columns[at] + GAP
    return joined


def _scaled(png: bytes, width: int) -> Image.Image:
    image = Image.open(io.BytesIO(png)).convert("RGB")
    size = (round(image.width * SCALE[width]), round(image.height * SCALE[width]))
    return image.resize(size, Image.Resampling.LANCZOS)


def readme() -> str:
    lines = ["# What the pages look like", ""]
    lines += ["Made by `scripts/pages` from the sample articles, with the templates as they are here. Each sheet shows"]
    lines += ["the pages on a phone in light, in dark and in Arabic, and on a desktop. Nothing is retouched.", ""]
    for sheet, names in SHEETS.items():
        shown = ", ".join(name.replace("-", " ") for name in names.split())
        lines += [f"## {sheet.capitalize().replace('-', ' ')}", "", f"![{shown}](pages-{sheet}.webp)", ""]
    return "\n".join(lines[:-1]) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
