"""How one language says it: translations, dates, times, lists and numbers, all through Babel.

English is complete in the templates themselves; a catalogue under `templates/locale` takes its place where there is
one. Pure but for reading catalogues once per language.
"""

import functools
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path

import babel
from babel import dates, lists, support

from digest import templating, zones

# The name of the catalogues, `<locale>/LC_MESSAGES/digest.mo`.
DOMAIN = "digest"
# "en" alone is no country. Its readers are everywhere, so it gets the 24-hour clock and "5 October 2026", which
# nobody misreads, rather than Babel's American default.
ENGLISH = babel.Locale("en", "150")


class Wording:
    """The voice of one locale, handed to the templates as `say`."""

    def __init__(self, locale: str, catalogues: Path) -> None:
        asked = _locale(locale)
        self.language = "en" if asked is ENGLISH else str(asked).replace("_", "-")
        is_rtl = asked.text_direction == "rtl"
        self.direction, self.start, self.end = ("rtl", "right", "left") if is_rtl else ("ltr", "left", "right")
        self.translations = support.Translations.load(str(catalogues), [str(asked), asked.language], domain=DOMAIN)
        is_spoken = asked.language == "en" or isinstance(self.translations, support.Translations)
        # Until there is a catalogue, all of a sentence is English: "Montag" amid English words helps nobody. The
        # direction and the language of the page stay those of the Articles.
        self.locale = asked if is_spoken else ENGLISH

    def gettext(self, message: str) -> str:
        return self.translations.gettext(message)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        return self.translations.ngettext(singular, plural, count)

    def day(self, day: date) -> str:
        return dates.format_date(day, "long", locale=self.locale)

    def short_day(self, instant: datetime, timezone: str) -> str:
        """The day and month an Article came out, where the Publication is at home."""
        day = dates.format_skeleton("MMMd", instant, tzinfo=zones.get(timezone), locale=self.locale)
        return day.replace(" ", "\u00a0")

    def days(self, first: date, last: date) -> str:
        return dates.format_interval(first, last, "yMMMd", locale=self.locale)

    def clock(self, at: time) -> str:
        return dates.format_time(at, "short", locale=self.locale)

    def weekday(self, number: int) -> str:
        return str(dates.get_day_names("wide", locale=self.locale)[number])

    def city(self, timezone: str) -> str:
        """What people call the zone: Berlin, New York; UTC stays UTC."""
        if "/" not in timezone or timezone.startswith("Etc/"):
            return timezone.removeprefix("Etc/")
        location = dates.get_timezone_location(zones.get(timezone), locale=self.locale, return_city=True)
        # Where CLDR has no name for the place it gives the rest of the zone's: Argentina/Buenos Aires.
        return location.rpartition("/")[2]

    def listing(self, names: Sequence[str]) -> str:
        return lists.format_list(names, locale=self.locale)


@functools.cache
def of(locale: str) -> Wording:
    return Wording(locale, templating.data_dir("templates") / "locale")


def _locale(name: str) -> babel.Locale:
    if name == "en":
        return ENGLISH
    try:
        return babel.Locale.parse(name.replace("-", "_"))
    except (babel.UnknownLocaleError, ValueError):
        # A mail in English is better than no mail; the language was checked when it was set.
        return ENGLISH
