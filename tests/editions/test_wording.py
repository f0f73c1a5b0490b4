"""Dates, times, zones and lists in the reader's language."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from babel.messages import catalog, mofile

from digest.editions import wording


@pytest.fixture
def catalogues(tmp_path) -> Path:
    """German knows one sentence, Arabic none."""
    for locale, messages in (
        ("de", {"Unsubscribe": "Abmelden", ("%(n)s story", "%(n)s stories"): STORIES}),
        ("ar", {}),
    ):
        folder = tmp_path / locale / "LC_MESSAGES"
        folder.mkdir(parents=True)
        made = catalog.Catalog(locale=locale, domain="digest")
        for message, translation in messages.items():
            made.add(message, translation)
        with (folder / "digest.mo").open("wb") as file:
            mofile.write_mo(file, made)
    return tmp_path


STORIES = ("%(n)s Artikel", "%(n)s Artikel insgesamt")


@pytest.mark.parametrize(
    ("locale", "day", "days", "clock", "monday"),
    [
        ("en", "5 October 2026", "29 Sept – 5 Oct 2026", "07:30", "Monday"),
        ("en-US", "October 5, 2026", "Sep 29 – Oct 5, 2026", "7:30\u202fAM", "Monday"),
        ("de", "5. Oktober 2026", "29. Sept. – 5. Okt. 2026", "07:30", "Montag"),
        ("de_AT", "5. Oktober 2026", "29. Sep. – 5. Okt. 2026", "07:30", "Montag"),
        ("fr", "5 October 2026", "29 Sept – 5 Oct 2026", "07:30", "Monday"),
        ("zz-nowhere", "5 October 2026", "29 Sept – 5 Oct 2026", "07:30", "Monday"),
    ],
)
def test_each_language_has_its_way_with_time_once_it_has_a_catalogue(catalogues, locale, day, days, clock, monday):
    say = wording.Wording(locale, catalogues)
    first, last = date(2026, 9, 29), date(2026, 10, 5)
    spoken = (say.day(last), say.days(first, last).replace("\u2009", " "), say.clock(time(7, 30)), say.weekday(0))
    assert spoken == (day, days, clock, monday)


def test_a_catalogue_speaks_and_a_missing_sentence_is_english(catalogues):
    say = wording.Wording("de-AT", catalogues)
    assert say.gettext("Unsubscribe") == "Abmelden"
    assert say.ngettext("%(n)s story", "%(n)s stories", 2) == STORIES[1]
    assert say.gettext("Pause") == "Pause"


@pytest.mark.parametrize(
    ("zone", "city"),
    [
        ("Europe/Berlin", "Berlin"),
        ("America/New_York", "New York"),
        ("America/Argentina/Buenos_Aires", "Buenos Aires"),
        ("Asia/Calcutta", "Kolkata"),
        ("UTC", "UTC"),
        ("Etc/GMT+3", "GMT+3"),
    ],
)
def test_a_zone_is_called_by_its_city(zone, city):
    assert wording.of("en").city(zone) == city


def test_an_article_is_dated_where_the_publication_is_at_home():
    at = datetime(2026, 11, 1, 23, 30, tzinfo=UTC)
    assert wording.of("en").short_day(at, "Europe/Berlin") == "2\u00a0Nov"
    assert wording.of("en").short_day(at, "America/New_York") == "1\u00a0Nov"


def test_a_list_reads_like_a_sentence():
    assert wording.of("en").listing(["Heart", "Food", "Sleep"]) == "Heart, Food and Sleep"


def test_the_direction_follows_the_language():
    arabic, english = wording.of("ar"), wording.of("en")
    assert (arabic.direction, arabic.start, arabic.end) == ("rtl", "right", "left")
    assert (english.direction, english.start, english.end) == ("ltr", "left", "right")
    assert (english.language, wording.of("pt_BR").language) == ("en", "pt-BR")
