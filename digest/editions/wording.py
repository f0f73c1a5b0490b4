"""How one language says it: translations, dates, times, lists and numbers, all through Babel.

English is complete in the templates themselves; a catalogue under `templates/locale` takes its place where there is
one. Days, clocks and numbers are those of the whole tag, so de-CH is not de. Digits are Latin in every language, as
Babel writes them: times, dates and counts stand beside each other. Pure but for reading catalogues once per language.
"""

import functools
import io
import re
from collections.abc import Sequence
from datetime import date, datetime, time
from pathlib import Path

import babel
from babel import dates, lists, numbers, support
from babel.messages import mofile, pofile

from digest import locales, templating, zones

# "en" alone is no country. Its readers are everywhere, so it gets the 24-hour clock and "5 October 2026", which
# nobody misreads, rather than Babel's American default.
ENGLISH = babel.Locale("en", "150")
# The year at the end of a full date, and what leads up to it.
LAST_YEAR = re.compile(r",?\s+('de'\s+)?y+$")
# A day of the week that comes again and again.
WEEKLY = {"en": "{plural}", "de": "{plural}", "fr": "le {day}", "es": "los {plural}", "ar": "أيام {day}"}

# Whoever asks in which language to speak asks here.
spoken = locales.spoken


class Count(int):
    """A number that chooses its plural form, and is written as its locale writes it: 1,200 or 1.200."""

    written: str

    def __str__(self) -> str:
        return self.written


class Wording:
    """The voice of one locale, handed to the templates as `say`."""

    def __init__(self, locale: str, catalogues: Path) -> None:
        asked = _locale(locale)
        self.language = "en" if asked is ENGLISH else locales.tag(asked)
        is_rtl = asked.text_direction == "rtl"
        self.direction, self.start, self.end = ("rtl", "right", "left") if is_rtl else ("ltr", "left", "right")
        # Set between words of both directions, so that a name of one does not take the number after it along.
        self.mark = "\u200f" if is_rtl else ""
        found = _catalogue(catalogues, asked)
        self.translations = found or support.NullTranslations()
        is_spoken = asked.language == "en" or found is not None
        # Until there is a catalogue, all of a sentence is English: "Montag" amid English words helps nobody. The
        # direction and the language of the page stay those of the Articles.
        self.locale = asked if is_spoken else ENGLISH

    def gettext(self, message: str) -> str:
        return self.translations.gettext(message)

    def ngettext(self, singular: str, plural: str, count: int) -> str:
        return self.translations.ngettext(singular, plural, count)

    def number(self, count: int) -> Count:
        found = Count(count)
        found.written = numbers.format_decimal(count, locale=self.locale)
        return found

    def day(self, day: date) -> str:
        return dates.format_date(day, "long", locale=self.locale)

    def full_day(self, day: date) -> str:
        """With the day of the week, for days to come."""
        return dates.format_date(day, "full", locale=self.locale)

    def coming_day(self, day: date) -> str:
        """A day within the year to come, which needs no number of its own: Monday, 30 November."""
        pattern = dates.get_date_format("full", locale=self.locale).pattern
        return dates.format_date(day, LAST_YEAR.sub("", pattern), locale=self.locale)

    def short_day(self, instant: datetime, timezone: str) -> str:
        """The day and month an Article came out, where the Publication is at home."""
        day = dates.format_skeleton("MMMd", instant, tzinfo=zones.get(timezone), locale=self.locale)
        return day.replace(" ", "\u00a0")

    def days(self, first: date, last: date) -> str:
        return dates.format_interval(first, last, "yMMMd", locale=self.locale)

    def clock(self, at: time) -> str:
        # "7:30" at the end of a line and "PM" at the beginning of the next is hard to read.
        return dates.format_time(at, "short", locale=self.locale).replace(" ", "\u00a0")

    def weekday(self, number: int) -> str:
        return str(dates.get_day_names("wide", locale=self.locale)[number])

    def weekdays(self, number: int) -> str:
        """What a weekly reader is told: Mondays, montags, le lundi, los lunes."""
        day = self.weekday(number)
        if self.locale.language == "de":
            day = day.lower()
        return WEEKLY.get(self.locale.language, "{day}").format(day=day, plural=day if day.endswith("s") else day + "s")

    def city(self, timezone: str) -> str:
        """What people call the zone: Berlin, New York; UTC stays UTC."""
        if "/" not in timezone or timezone.startswith("Etc/"):
            return timezone.removeprefix("Etc/")
        location = dates.get_timezone_location(zones.get(timezone), locale=self.locale, return_city=True)
        # Where CLDR has no name for the place it gives the rest of the zone's: Argentina/Buenos Aires.
        return location.rpartition("/")[2]

    def tongue(self, locale: str) -> str:
        """What a language is called here: German, Austrian German."""
        return str(_locale(locale).get_display_name(self.locale) if locale != "en" else self.locale.languages["en"])

    def listing(self, names: Sequence[str]) -> str:
        return lists.format_list(names, locale=self.locale)


def _catalogue(catalogues: Path, asked: babel.Locale) -> support.Translations | None:
    """The catalogue of this language, its region's before its own; a text that is missing in it stays English."""
    for name in dict.fromkeys((str(asked), asked.language)):
        path = catalogues / locales.CATALOGUE.format(locale=name)
        if path.is_file():
            with path.open("rb") as file:
                held = pofile.read_po(file, locale=name)
            compiled = io.BytesIO()
            mofile.write_mo(compiled, held)
            compiled.seek(0)
            return support.Translations(compiled, domain="digest")
    return None


@functools.lru_cache(maxsize=1024)
def negotiated(accepted: str) -> str | None:
    """The language of a visitor by their Accept-Language header (RFC 9110 §12.5.4); None if they speak none of ours."""
    wanted = []
    for place, one in enumerate(accepted[:500].split(",")):
        name, _, quality = one.strip().partition(";")
        match = re.fullmatch(r"\s*q=([01](?:\.\d{0,3})?)\s*", quality) if quality else None
        weight = float(match[1]) if match else (0.0 if quality else 1.0)
        if weight > 0 and re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", name):
            wanted.append((-weight, place, name))
    return babel.negotiate_locale([name for _, _, name in sorted(wanted)], list(spoken()), sep="-")


@functools.cache
def of(locale: str) -> Wording:
    return Wording(locale, templating.data_dir("templates") / "locale")


def _locale(name: str) -> babel.Locale:
    try:
        known = locales.parse(name)
    except locales.LocaleError:
        # A mail in English is better than no mail; the language was checked when it was set.
        known = "en"
    return ENGLISH if known == "en" else babel.Locale.parse(known, sep="-")
