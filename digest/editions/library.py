"""The templates in use, by Look: compiled once, looked at before each mail, and never in the way of one.

Own templates that cannot be used give way to those beneath them: the mail goes out in the shipped form, the log says
so, and `digest apply`, `check-config` and `status` name the place. Reads templates, nothing else.
"""

import dataclasses
import time
from collections.abc import Hashable, Sequence
from pathlib import Path

import jinja2

from digest.editions import blocks, folders, look, shelf, stylesheet, typeset
from digest.editions.typeset import Typesetter

# A Look is a Publication in a language; each has its frame beside the Stories.
KEPT_LOOKS = 64
# Compiled templates, per layout and form: some 50 ms and 1 MB each.
KEPT_ENVIRONMENTS = 16
# Seconds. Looking at a hundred files takes longer than joining a variant.
LOOK_AGAIN = 1.0
UNUSABLE = (typeset.TemplateError, typeset.LayoutError, stylesheet.StylesheetError)


class Library:
    """One for all mails of a process. Not for two threads at once."""

    def __init__(self, places: folders.Folders, marks: blocks.Marks) -> None:
        self._places, self._marks = places, marks
        self._typesetters: shelf.Shelf[tuple[Hashable, ...], Typesetter] = shelf.Shelf(KEPT_LOOKS)
        self._seen: dict[str, tuple[float, tuple[tuple[Path, ...], str] | None]] = {}
        self._environments: shelf.Shelf[tuple[Hashable, ...], jinja2.Environment] = shelf.Shelf(KEPT_ENVIRONMENTS)

    def typesetter(self, dressed: look.Look, form: str | None = None) -> Typesetter:
        """For the templates as they are now, so that an edited one shows within a second."""
        roots, edition = self._look(dressed.slug)
        key = (dressed, form, edition)
        found = self._typesetters.get(key)
        return found or self._typesetters.put(key, self._set(dressed, form, roots))

    def _look(self, slug: str) -> tuple[tuple[Path, ...], str]:
        """Where this Publication's templates lie, and which edition of them that is."""
        seen_at, found = self._seen.get(slug, (float("-inf"), None))
        now = time.monotonic()
        if found is None or now >= seen_at + LOOK_AGAIN:
            roots = self._places.roots(slug)
            found = roots, folders.fingerprint(roots)
            self._seen[slug] = now, found
        return found

    def _set(self, dressed: look.Look, form: str | None, roots: Sequence[Path]) -> Typesetter:
        spare = self._set(dressed, form, roots[1:]) if len(roots) > 1 else None
        try:
            return self.strict(dressed, form, roots, spare)
        except UNUSABLE as error:
            if spare is None and dressed.layout == typeset.BASE:
                raise
            typeset.complain(dressed, error)
            # A layout that is gone leaves the one that is always there.
            return spare or self._set(dataclasses.replace(dressed, layout=typeset.BASE), form, roots)

    def retire(self, typesetter: Typesetter, spare: Typesetter, error: Exception) -> Typesetter:
        """The spare, from now on: what failed for one mail would cost every other one its time, and a line in the log.

        An edited template, or a new process, gives the own ones another chance.
        """
        typesetter.refuse(error)
        self._typesetters.replace(typesetter, spare)
        return spare

    def strict(
        self, dressed: look.Look, form: str | None, roots: Sequence[Path], spare: Typesetter | None = None
    ) -> Typesetter:
        """With these folders or not at all. Raises TemplateError, LayoutError or StylesheetError."""
        edition = folders.fingerprint(roots)
        key = (tuple(roots), dressed.layout, form, edition)
        found = self._environments.get(key) or self._environments.put(
            key, typeset.environment(roots, dressed.layout, form)
        )
        return Typesetter(found, dressed, self._marks, f"{form}{edition}", spare)
