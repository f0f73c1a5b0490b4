"""`preview`: a mail as .html, .txt and .eml, to be looked at, and as pictures in every layout. Sends nothing."""

import dataclasses
import itertools
from pathlib import Path

from digest.commands import browser, files, output, proofs, session, snapshots
from digest.editions import typeset, wording
from digest.run import wiring

# Pictures show what becomes of a layout when the page runs the other way; one language of each direction will do.
RIGHT_TO_LEFT, LEFT_TO_RIGHT = "ar", "en"


@dataclasses.dataclass(frozen=True)
class Preview:
    material: proofs.Material
    proof: proofs.Proof
    pages: list[snapshots.Page]
    images: dict[str, bytes]
    missing: list[str]


def write(slug: str, folder: Path, wish: proofs.Wish, *, with_pictures: bool, now: str | None) -> int:
    if with_pictures:
        browser.check()
    name = "-".join(filter(None, (slug, wish.notice, wish.frequency, wish.layout, wish.locale)))

    async def work(parts: wiring.Parts) -> Preview:
        material = await proofs.gather(parts, slug, wish)
        proof = await proofs.compose(parts.writer, material)
        pages = await _pages(parts, name, material, wish) if with_pictures else []
        urls = dict.fromkeys(url for page in pages for url in snapshots.addresses(page.html))
        return Preview(material, proof, pages, *await snapshots.load(list(urls), parts.fetcher.limits))

    made = session.play(work, at=session.clock_of(now))
    written = _write(folder, name, made.proof)
    taken = snapshots.take(made.pages, folder, made.images) if with_pictures else snapshots.Taken([], [])
    for remark in (*filter(None, [made.material.remark]), *made.missing, *taken.remarks):
        output.remark(*output.cleaned([remark]))
    print(made.proof.subject)
    for path in (*written, *taken.paths):
        print(f"  {path}")
    return 0


async def _pages(parts: wiring.Parts, name: str, material: proofs.Material, wish: proofs.Wish) -> list[snapshots.Page]:
    """The mail in every layout and both directions, or in those that were asked for."""
    layouts = (
        [wish.layout] if wish.layout else typeset.layouts(*wiring.mail_folders(parts.home).roots(material.spec.slug))
    )
    locale = material.reader.locale or material.spec.locale
    locales = [locale] if wish.locale else _both_directions(locale)
    pages = []
    for layout, language in itertools.product(layouts, locales):
        proof = await proofs.compose(parts.writer, material.dressed(layout, language))
        about = [part for part, is_said in ((layout, wish.layout), (language, wish.locale)) if not is_said]
        pages.append(snapshots.Page("-".join((name, *about)), proof.html))
    return pages


def _both_directions(locale: str) -> list[str]:
    is_rtl = wording.of(locale).direction == "rtl"
    return [locale, LEFT_TO_RIGHT if is_rtl else RIGHT_TO_LEFT]


def _write(folder: Path, name: str, proof: proofs.Proof) -> list[Path]:
    return [
        files.write(folder / f"{name}.html", proof.html.encode()),
        files.write(folder / f"{name}.txt", proof.text.encode()),
        files.write(folder / f"{name}.eml", proof.letter.content),
    ]
