"""A trial of all a Publication may send, before anything is sent: what is wrong with its templates, by file and line.

Every mail is compiled, filled with sample Stories and inlined, as for readers, but with nothing to fall back on.
Reads templates, nothing else.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

from digest import publications
from digest.editions import blocks, compose, folders, inline, library, look, outline, typeset

Step = Callable[[typeset.Typesetter, blocks.Marks], list[str]]
# Gmail drops a style block that is larger (its documentation says 8,192 characters, what it does is 16 KB).
STYLE_BYTES = 16 * 1024
STYLE = re.compile(r"<style data-premailer=\"ignore\">(.*?)</style>", re.DOTALL)
PLACE = re.compile(r".*?:\d+: ")
FULL = outline.Story(
    id=1,
    version=1,
    title="A title with “marks” & signs",
    url="https://example.org/story?a=1&b=2",
    standfirst="A sentence about it.",
    image_url="https://example.org/picture.jpg",
    image_alt="What it shows",
    image_width=1200,
    image_height=800,
    author="Somebody",
    source="A source",
    minutes=2,
    published_at=datetime(2026, 1, 5, 6, tzinfo=UTC),
    related=(("Another title", "https://example.org/another"),),
)
BARE = outline.Story(id=2, version=1, title="A title alone", url=None)
UNTIL = datetime(2026, 1, 8, 7, tzinfo=UTC)
FACTS = outline.Facts(frequency="weekly", since=date(2026, 1, 1), upto=date(2026, 1, 8), until=UNTIL)
TOLD = (
    outline.Told(count=1, lead=BARE, kicker="", topics=(), more=0),
    outline.Told(count=9, lead=FULL, kicker="A topic", topics=("A topic",), more=7),
)


def faults(places: folders.Folders, dressed: look.Look) -> tuple[str, ...]:
    """What is wrong, one line for each fault; nothing if all mails can be made."""
    return _faults(places, dressed, folders.fingerprint(places.roots(dressed.slug)))


# Asked again and again by whoever shows what is going on.
@functools.lru_cache(maxsize=64)
def _faults(places: folders.Folders, dressed: look.Look, edition: str) -> tuple[str, ...]:
    found: dict[str, str] = {}
    for form in (None, typeset.INSTANT, *typeset.NOTICES):
        # A part that several mails share is wrong once, though each finds other words for it.
        found |= {
            fault: _place(fault) for fault in _of_form(places, dressed, form) if _place(fault) not in found.values()
        }
    return tuple(found)


def _place(fault: str) -> str:
    """File and line, or all of a fault that names none."""
    place = PLACE.match(fault)
    return place[0] if place else fault


def _of_form(places: folders.Folders, dressed: look.Look, form: str | None) -> list[str]:
    marks = blocks.Marks()
    try:
        typesetter = library.Library(places, marks).strict(dressed, form, places.roots(dressed.slug))
    except library.UNUSABLE as error:
        return str(error).splitlines()
    steps = (_letter,) if form in typeset.NOTICES else (_sentences, _document)
    return [fault for step in steps for fault in _tried(step, typesetter, marks)]


def _tried(step: Step, typesetter: typeset.Typesetter, marks: blocks.Marks) -> Iterable[str]:
    try:
        return step(typesetter, marks)
    except typeset.TemplateError as error:
        return str(error).splitlines()
    except (inline.InlineError, blocks.CutError) as error:
        return [f"a mail cannot be inlined with these templates, so it would not look as it should: {error}"]


def _letter(typesetter: typeset.Typesetter, marks: blocks.Marks) -> list[str]:
    html = typesetter.letter({"facts": FACTS, "hours": 72, "stories": (FULL, BARE)})["html"]
    compose.inlined(marks, html, inline.inline)
    return list(_heavy(html))


def _sentences(typesetter: typeset.Typesetter, marks: blocks.Marks) -> list[str]:
    for frequency, told in itertools.product(publications.FREQUENCIES, TOLD):
        typesetter.sentences(told, dataclasses.replace(FACTS, frequency=frequency))
    return []


def _document(typesetter: typeset.Typesetter, marks: blocks.Marks) -> list[str]:
    pieces = outline.superset([FULL, BARE], typesetter.look.topics)
    fills = {fill: marks.sentinel(fill) for fill in blocks.Fill}
    html, text = (typesetter.document(f"body.{kind}", pieces, fills, marks.mark) for kind in ("html", "txt"))
    marks.cut(compose.inlined(marks, html, inline.inline), len(pieces), is_html=True)
    marks.cut(text, len(pieces), is_html=False)
    return list(_heavy(html))


def _heavy(document: str) -> Iterator[str]:
    for block in STYLE.findall(document):
        if len(block.encode()) > STYLE_BYTES:
            start = " ".join(block.split())[:40]
            yield f"the style block that begins '{start}' has {len(block.encode())} bytes; Gmail drops it over 16 KB"


def unknown(places: folders.Folders, slug: str) -> list[Path]:
    """Own files that take the place of none: a name misspelt, or one that an own template includes."""
    own, layers = places.own(slug), set(typeset.layouts(places.shipped)) | {typeset.INSTANT, *typeset.NOTICES}
    if own is None or not own.is_dir():
        return []
    files = [path.relative_to(own) for kind in folders.KINDS for path in own.rglob(f"*.{kind}")]
    return sorted(own / file for file in files if not _replaces(places.shipped, file, layers))


def _replaces(shipped: Path, file: Path, layers: set[str]) -> bool:
    if file.parts[0] not in layers:
        return len(file.parts) > 1  # a layout of one's own
    return any((shipped / layer).joinpath(*file.parts[1:]).exists() for layer in (file.parts[0], typeset.BASE))
