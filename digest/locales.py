"""Language tags, and the languages there are texts in.

A tag is checked where it comes in, so that no mail finds out that nobody knows it. Kept with its region, which decides
on dates and clocks. A tag without texts is as good as any: the Articles are in that language, what stands around them
is English. Reads no rows.
"""

import functools
import re

import babel

from digest import errors, templating

TAG = re.compile(r"[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*")
# Read as translators write them, so that nothing has to be compiled: some 15 ms for a language, once per process.
CATALOGUE = "{locale}/LC_MESSAGES/digest.po"


class LocaleError(errors.DigestError):
    """The text is no language tag, or one that nobody knows dates and numbers of."""


@functools.lru_cache(maxsize=500)
def parse(text: str) -> str:
    """The tag meant, as it is written: `de_at` is de-AT. Raises LocaleError."""
    plain = text.strip().replace("_", "-")
    try:
        # Babel would also take what a Unix system calls its locale: de-DE@euro.
        if TAG.fullmatch(plain):
            return tag(babel.Locale.parse(plain, sep="-"))
    except (ValueError, babel.UnknownLocaleError):
        pass
    known = ", ".join(spoken())
    raise LocaleError(f"'{text}' is no locale; write it like en or de-AT (there are texts in {known})")


def tag(found: babel.Locale) -> str:
    return str(found).replace("_", "-")


@functools.cache
def spoken() -> tuple[str, ...]:
    """The languages there are texts in, English first."""
    folder = templating.data_dir("templates") / "locale"
    return ("en", *sorted(path.parent.parent.name for path in folder.glob(CATALOGUE.format(locale="*"))))
