"""The templates of one Look: pieces rendered as one document, and the sentences of a variant.

Reads `templates/email`; a notice or a layout lies over `digest`, so it holds only the files in which it differs.
Never inlines and never cuts.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from digest import errors, templating
from digest.editions import filters, look, outline, stylesheet, tidy, wording
from digest.editions.blocks import Fill, Marks, Slot

SHEET = "parts/style.css"
# The layout all others lie over.
BASE = "digest"
# The form of a single Article sent as it happens.
INSTANT = "instant"
NOTICES = ("confirm", "welcome", "goodbye")
# Every link a reader may follow to change something, or to see this mail, is a fixed address and the token.
PATHS = {name: f"/{name}/" for name in ("unsubscribe", "less", "pause", "mail", "confirm")}


class TemplateError(errors.DigestError):
    """A mail template cannot be used."""


class LayoutError(errors.DigestError):
    """There is no such layout."""


def environment(root: Path, layout: str, form: str | None = None) -> jinja2.Environment:
    """The templates of a layout, or of a form in it, compiled and checked. Raises TemplateError, LayoutError."""
    layers = [form or layout, layout, BASE]
    _check_layout(root, layout)
    found = templating.environment([root / layer for layer in dict.fromkeys(layers)])
    found.add_extension("jinja2.ext.i18n")
    filters.add(found)
    for file in found.list_templates():
        _compile(found, file)
    return found


def _check_layout(root: Path, layout: str) -> None:
    known = layouts(root)
    if layout not in known:
        raise LayoutError(f"no mail layout '{layout}'; there are: {', '.join(known)}")


def layouts(root: Path) -> list[str]:
    return sorted({folder.name for folder in root.iterdir() if folder.is_dir()} - {INSTANT, *NOTICES})


def _compile(found: jinja2.Environment, file: str) -> None:
    assert found.loader is not None
    source, path, _ = found.loader.get_source(found, file)
    try:
        found.get_template(file)
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(f"{path}:{error.lineno}: {error.message}") from error
    if file == SHEET:
        stylesheet.check(source, path or file)


def digest(root: Path) -> str:
    """Changes whenever a template does."""
    found = hashlib.sha256()
    for file in sorted(root.rglob("*.*")):
        status = file.stat()
        found.update(f"{file}\0{status.st_mtime_ns}\0{status.st_size}\n".encode())
    return found.hexdigest()


class Typesetter:
    """Renders for one Look and one set of templates; `key` says which, for whoever keeps what came out."""

    def __init__(self, found: jinja2.Environment, dressed: look.Look, marks: Marks, edition: str) -> None:
        self._environment = found
        self.look = look.clean(dressed)
        self.key = f"{dressed.fingerprint}{edition}"
        self._said: dict[outline.Facts, dict[Fill, str]] = {}
        say = wording.of(dressed.locale)
        token = marks.sentinel(Slot.TOKEN)
        self._context: dict[str, Any] = {
            "look": self.look,
            "palette": look.palette(dressed.colours),
            "say": say,
            "gettext": say.gettext,
            "ngettext": say.ngettext,
            "href": {name: dressed.base_url + path + token for name, path in PATHS.items()},
        }

    def document(
        self,
        file: str,
        pieces: Sequence[outline.Piece],
        fills: Mapping[Fill, str],
        mark: Callable[[int], str] = lambda index: "",
    ) -> str:
        """The pieces in this order. With sentinels for `fills` and a mark it can be cut, without it is a mail."""
        words = {fill.value: text for fill, text in fills.items()}
        return self.render(file, {"pieces": pieces, "fill": words, "mark": lambda index: Markup(mark(index))})

    def sentences(self, told: outline.Told, facts: outline.Facts) -> dict[Fill, str]:
        """What a variant says in its own words, each from its own template."""
        said = self._said.get(facts)
        if said is None:
            said = self._say((Fill.DATES, Fill.WHY), {"facts": facts})
            # One Edition at a time: what it says of itself is the same for all its variants.
            self._said = {facts: said}
        return said | self._say((Fill.SUBJECT, Fill.OPENING, Fill.KICKER, Fill.MORE), {"told": told, "facts": facts})

    def _say(self, fills: Iterable[Fill], context: Mapping[str, Any]) -> dict[Fill, str]:
        return {fill: tidy.line(self.render(_phrase(fill), context)) for fill in fills}

    def letter(self, context: Mapping[str, Any]) -> dict[str, str]:
        """A notice as subject, HTML and text. Sentences come as plain strings, so that HTML escapes them."""
        phrases = {"subject": "subject.txt"}
        if "facts" in context:
            phrases |= {name: f"phrases/{name}.txt" for name in ("why", "first")}
        fill = {name: tidy.line(self.render(file, context)) for name, file in phrases.items()}
        bodies = {kind: self.render(f"body.{kind}", {**context, "fill": fill}) for kind in ("html", "txt")}
        return {"subject": fill["subject"], **bodies}

    def render(self, file: str, context: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(file).render(self._context, **context)
        except jinja2.TemplateError as error:
            raise TemplateError(f"template {file}: {error}") from error


def _phrase(fill: Fill) -> str:
    return "subject.txt" if fill is Fill.SUBJECT else f"phrases/{fill.value}.txt"
