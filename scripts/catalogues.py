"""Keeps the catalogues of other languages in step with the templates: `scripts/catalogues`, or with `--check`.

Every text of `templates/email` and `templates/web` is extracted; the `digest.po` of each language gets what is new, as
empty texts, and loses what nobody uses. `--check` changes nothing: it names what is missing, doubtful, or unfit for its
placeholders, and ends with 1 if there is any.
"""

import gettext
import io
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from babel.messages import catalog, extract, pofile

ROOT = Path(__file__).resolve().parent.parent
TEMPLATES = ROOT / "templates"
LOCALE = TEMPLATES / "locale"
FOLDERS = ("email", "web")
OPTIONS = {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# What the format wants to know of people and days, and the history of the file says better.
NOISE = re.compile(
    rb'^"(?:POT-Creation-Date|PO-Revision-Date|Report-Msgid-Bugs-To|Last-Translator|Language-Team|Generated-By): .*\n',
    re.MULTILINE,
)
HEADER = "# {language} texts of digest. `scripts/catalogues` keeps this file in step with the templates.\n"


def main(arguments: list[str]) -> int:
    wanted = extracted()
    if arguments == ["--check"]:
        found = [fault for path in catalogues() for fault in faults(path, wanted)]
        print("\n".join(found) or f"{len(catalogues())} languages, {len(wanted)} texts, nothing missing")
        return 1 if found else 0
    if arguments:
        print(__doc__, file=sys.stderr)
        return 2
    for path in catalogues():
        update(path, wanted)
    return 0


def catalogues() -> list[Path]:
    return sorted(LOCALE.glob("*/LC_MESSAGES/digest.po"))


def language(path: Path) -> str:
    return path.parent.parent.name


def extracted() -> catalog.Catalog:
    """Every text there is, with the places where it stands."""
    found = catalog.Catalog()
    for path in sorted(file for folder in FOLDERS for file in (TEMPLATES / folder).rglob("*.*")):
        if path.suffix not in (".html", ".txt", ".xml"):
            continue
        with path.open("rb") as file:
            for line, message, _, context in extract.extract("jinja2.ext.babel_extract", file, options=OPTIONS):
                found.add(message, locations=[(str(path.relative_to(ROOT)), line)], context=context)
    return found


def read(path: Path) -> catalog.Catalog:
    with path.open("rb") as file:
        return pofile.read_po(file, locale=language(path), abort_invalid=True)


def update(path: Path, wanted: catalog.Catalog) -> None:
    held = read(path)
    held.update(wanted, no_fuzzy_matching=True)
    held.obsolete.clear()
    write(path, held)


def write(path: Path, held: catalog.Catalog) -> None:
    held.header_comment = HEADER.format(language=held.locale.english_name if held.locale else language(path))
    out = io.BytesIO()
    # Without line numbers: they change with every edit and say nothing that a search does not.
    pofile.write_po(out, held, width=120, include_lineno=False, sort_by_file=True, omit_header=False)
    path.write_bytes(NOISE.sub(b"", out.getvalue()))


def faults(path: Path, wanted: catalog.Catalog) -> Iterator[str]:
    """What a reader of this language would see of it: an English text, a wrong one, or none."""
    held, name = read(path), language(path)
    for message in wanted:
        if not message.id:
            continue
        where = "{}:{}".format(*message.locations[0])
        own = held.get(message.id, context=message.context)
        forms = [own.string] if own and isinstance(own.string, str) else list(own.string if own else [])
        if not forms or not all(forms):
            yield f"{name}: {where}: missing: {_shown(message.id)}"
        elif own and own.fuzzy:
            yield f"{name}: {where}: doubtful (fuzzy): {_shown(message.id)}"
        elif fault := _misfit(message.id, forms, _words(held)):
            yield f"{name}: {where}: {fault}: {_shown(message.id)}"
    known = {(message.id, message.context) for message in wanted}
    for message in held:
        if message.id and (message.id, message.context) not in known:
            yield f"{name}: {path.relative_to(ROOT)}: nobody uses: {_shown(message.id)}"


def _words(held: catalog.Catalog) -> set[int]:
    """The plural forms that serve a single number, which a word such as "one" or the Arabic dual may stand for."""
    form = gettext.c2py(held.plural_expr)
    serving = Counter(form(number) for number in range(1_000))
    return {index for index, numbers in serving.items() if numbers == 1}


def _misfit(source: str | tuple[str, ...], forms: list[str], words: set[int]) -> str | None:
    """Each form has the placeholders of its source, but for the number where a word says it."""
    texts = [source] if isinstance(source, str) else list(source)
    wanted = {name for text in texts for name in PLACEHOLDER.findall(text)}
    # The number comes first in all we say of one.
    number = set(PLACEHOLDER.findall(texts[-1])[:1])
    for index, form in enumerate(forms):
        held = set(PLACEHOLDER.findall(form))
        optional = number if len(texts) > 1 and index in words else set()
        if unknown := held - wanted:
            return f"unknown %({sorted(unknown)[0]})s"
        if lacking := wanted - held - optional:
            return f"lacks %({sorted(lacking)[0]})s"
        if "%" in PLACEHOLDER.sub("", form).replace("%%", ""):
            return "a % that begins no placeholder"
    return None


def _shown(source: str | tuple[str, ...]) -> str:
    return repr(source if isinstance(source, str) else source[0])[:80]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
