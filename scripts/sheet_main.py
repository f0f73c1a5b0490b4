"""Pictures of sample mails, joined to sheets: `scripts/sheet [--out FOLDER] [--single FOLDER] [--only NAME]`.

Writes <sheet>.webp and README.md; with --single every picture too, at full size, to be looked at one by one. Ends
with 1 when a mail is wider than its window, or when the sheets are larger than a repository should carry.
"""

import argparse
import asyncio
import io
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

import sample_mails  # noqa: E402
import sheet_plan  # noqa: E402
from sheet_plan import DESKTOP, Panel, Sheet  # noqa: E402

from digest.commands import browser  # noqa: E402

# Small enough that a sheet is looked at as a whole, large enough that its text can be read when it is opened.
SCALE = {DESKTOP: 0.6, sheet_plan.PHONE: 0.75}
GAP, HEAD = 24, 34
PAPER, INK = "#8f979c", "#101417"
QUALITY = 72
# All sheets together: what is in a repository stays in it for ever.
MOST_BYTES = 6_000_000
HTML = dict[sample_mails.Sample, str]


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    wanted = [one for one in sheet_plan.sheets(sample_mails.layouts()) if not options.only or one.name in options.only]
    html = asyncio.run(_compose({panel.sample for sheet in wanted for panel in sheet.panels}))
    options.out.mkdir(parents=True, exist_ok=True)
    total, overhangs = 0, []
    with browser.opened() as opened:
        for sheet in wanted:
            shots = [_shoot(opened, panel, html) for panel in sheet.panels]
            overhangs += [_overhang(one, shot) for one, shot in zip(sheet.panels, shots, strict=True) if shot.overhang]
            if options.single:
                _write_singles(options.single, sheet, shots)
            total += _write(options.out / f"{sheet.name}.webp", _joined(sheet, shots))
    if not options.only:
        (options.out / "README.md").write_text(sheet_plan.readme(wanted), encoding="utf-8")
    print(f"{len(wanted)} sheets, {sum(len(one.panels) for one in wanted)} pictures, {total / 1e6:.1f} MB")
    faults = overhangs + ([f"more than {MOST_BYTES / 1e6:.0f} MB"] if total > MOST_BYTES else [])
    for fault in faults:
        print(f"scripts/sheet: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/sheet", description="Pictures of sample mails in every layout.")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures", help="default: docs/pictures")
    parser.add_argument("--single", type=Path, help="where every picture goes by itself as PNG")
    parser.add_argument("--only", action="append", help="a sheet by its name; more than once for more")
    return parser.parse_args(arguments)


async def _compose(samples: set[sample_mails.Sample]) -> HTML:
    with tempfile.TemporaryDirectory() as folder:
        press = sample_mails.Press(Path(folder))
        return {sample: (await press.proof(sample)).html for sample in samples}


def _shoot(opened: browser.Opened, panel: Panel, html: HTML) -> browser.Shot:
    images = sample_mails.images() if panel.has_images else {}
    return browser.shoot(opened, html[panel.sample], panel.view, images)


def _overhang(panel: Panel, shot: browser.Shot) -> str:
    return f"{panel.name} is {shot.overhang} pixels wider than its window"


def _write_singles(folder: Path, sheet: Sheet, shots: Sequence[browser.Shot]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for panel, shot in zip(sheet.panels, shots, strict=True):
        (folder / f"{panel.name}.png").write_bytes(shot.png)


def _joined(sheet: Sheet, shots: Sequence[browser.Shot]) -> Image.Image:
    """The pictures side by side, each under its caption."""
    parts = [_scaled(panel, shot) for panel, shot in zip(sheet.panels, shots, strict=True)]
    width = sum(part.width + GAP for part in parts) + GAP
    height = max(part.height for part in parts) + HEAD + GAP
    joined = Image.new("RGB", (width, height), PAPER)
    pen, font, left = ImageDraw.Draw(joined), ImageFont.load_default(size=15), GAP
    for panel, part in zip(sheet.panels, parts, strict=True):
        pen.text((left, 8), panel.caption, fill=INK, font=font)
        joined.paste(part, (left, HEAD))
        left += part.width + GAP
    return joined


def _scaled(panel: Panel, shot: browser.Shot) -> Image.Image:
    image = Image.open(io.BytesIO(shot.png)).convert("RGB")
    scale = SCALE[panel.view.width]
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def _write(path: Path, image: Image.Image) -> int:
    image.save(path, "WEBP", quality=QUALITY, method=6)
    return path.stat().st_size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
