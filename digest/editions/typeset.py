"""The templates of one Look: pieces rendered as one document, and the sentences of a variant.

A form (a notice, a single Article) lies over a layout, a layout over `digest`; each holds only what differs.
Never inlines and never cuts.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import structlog
from markupsafe import Markup

from digest import errors, metrics, templating
from digest.editions import filters, folders, look, outline, stylesheet, tidy, wording
from digest.editions.blocks import Fill, Marks, Slot

UNUSED = metrics.counter("digest_own_templates_not_used_total", "Times own templates gave way to those shipped.")

log = structlog.get_logger()

# What is written into style attributes, block by block. The other sheets are passed through.
INLINED = tuple(f"parts/{name}.css" for name in ("style", "tokens", "layout", "own"))
# What a template can raise while it is filled: Jinja's own, and what an expression in it does.
FAULTS = (
    jinja2.TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RecursionError,
)
# The layout all others lie over.
BASE = "digest"
# The form of a single Article sent as it happens.
INSTANT = "instant"
NOTICES = ("confirm", "welcome", "goodbye", "already", "changed", "address", "moving", "taken", "manage")
# Every link a reader may follow to change something, or to see this mail, is a fixed address and the token.
PATHS = {
    name: f"/{name}/"
    for name in (
        *("unsubscribe", "less", "pause", "topics", "settings", "undo", "mail"),
        *("confirm", "address", "moving", "manage"),
    )
}


class TemplateError(errors.DigestError):
    """A mail template cannot be used."""


class LayoutError(errors.DigestError):
    """There is no such layout."""


def environment(roots: Sequence[Path], layout: str, form: str | None = None) -> jinja2.Environment:
    """The templates of a layout, or of a form in it, compiled and checked: in each of these layers the file of the
    first root that has it. Raises TemplateError that names every fault, LayoutError.
    """
    _check_layout(roots, layout)
    layers = dict.fromkeys((form or layout, layout, BASE))
    found = templating.environment([root / layer for layer in layers for root in roots])
    found.add_extension("jinja2.ext.i18n")
    filters.add(found)
    faults = [fault for file in found.list_templates(folders.KINDS) for fault in _faults(found, file)]
    if faults:
        raise TemplateError("\n".join(faults))
    return found


def _check_layout(roots: Sequence[Path], layout: str) -> None:
    known = layouts(*roots)
    if layout not in known:
        raise LayoutError(f"no mail layout '{layout}'; there are: {', '.join(known)}")


def layouts(*roots: Path) -> list[str]:
    names = {folder.name for root in roots for folder in root.iterdir() if folder.is_dir()}
    return sorted(names - {INSTANT, *NOTICES})


def _faults(found: jinja2.Environment, file: str) -> Iterator[str]:
    assert found.loader is not None
    path: str | None = file
    try:
        source, path, _ = found.loader.get_source(found, file)
        found.get_template(file)
        if file.endswith(".css"):
            stylesheet.check(source, path or file, is_inlined=file in INLINED)
    except jinja2.TemplateSyntaxError as error:
        yield f"{path}:{error.lineno}: {error.message}"
    except stylesheet.StylesheetError as error:
        yield from str(error).splitlines()
    except UnicodeDecodeError as error:
        yield f"{file}: is not UTF-8: {error.reason}"
    except OSError as error:
        yield f"{error.filename or file}: cannot be read: {error.strerror}"


def complain(dressed: look.Look, error: Exception) -> None:
    """Own templates that cannot be used stop no mail; they are told of as loudly as can be instead."""
    UNUSED.inc()
    log.error("own_templates_not_used", publication=dressed.slug or dressed.name, reason=str(error))


class Typesetter:
    """Renders for one Look and one set of templates; `key` says which, for whoever keeps what came out."""

    def __init__(
        self,
        found: jinja2.Environment,
        dressed: look.Look,
        marks: Marks,
        edition: str,
        spare: "Typesetter | None" = None,
    ) -> None:
        self._environment = found
        # With the templates beneath, should these fail.
        self.spare = spare
        self._refused: set[str] = set()
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
        return {fill: self._sentence(_phrase(fill), context) for fill in fills}

    def _sentence(self, file: str, context: Mapping[str, Any]) -> str:
        try:
            return tidy.line(self.render(file, context))
        except TemplateError as error:
            if self.spare is None:
                raise
            self.refuse(error)
            return self.spare._sentence(file, context)

    def refuse(self, error: Exception) -> None:
        """What went wrong with a mail is said once, not for each mail."""
        if str(error) not in self._refused:
            self._refused.add(str(error))
            complain(self.look, error)

    def letter(self, context: Mapping[str, Any]) -> dict[str, str]:
        """A notice as subject, HTML and text. Sentences come as plain strings, so that HTML escapes them."""
        context = {"stories": (), "others": ()} | dict(context)
        phrases = {"subject": "subject.txt"}
        if "facts" in context:
            phrases |= {name: f"phrases/{name}.txt" for name in ("why", "first", "next", "held", "changed")}
        fill = {name: tidy.line(self.render(file, context)) for name, file in phrases.items()}
        bodies = {kind: self.render(f"body.{kind}", {**context, "fill": fill}) for kind in ("html", "txt")}
        return {"subject": fill["subject"], **bodies}

    def render(self, file: str, context: Mapping[str, Any]) -> str:
        try:
            return self._environment.get_template(file).render(self._context, **context)
        except FAULTS as error:
            raise TemplateError(f"{_place(error) or file}: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    # Jinja's own words for it list every folder it looked into.
    return f"there is no template '{error.name}'" if isinstance(error, jinja2.TemplateNotFound) else str(error)


def _place(error: BaseException) -> str:
    """File and line of the template that failed: Jinja writes them into the traceback."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.endswith(folders.KINDS):
            return f"{frame.filename}:{frame.lineno}"
    return ""


def _phrase(fill: Fill) -> str:
    return "subject.txt" if fill is Fill.SUBJECT else f"phrases/{fill.value}.txt"
