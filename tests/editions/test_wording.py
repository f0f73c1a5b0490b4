"""Dates, times, zones and lists in the reader's language."""

from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest
from babel.messages import catalog, pofile

from digest import locales, templating
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
        with (folder / "digest.po").open("wb") as file:
            pofile.write_po(file, made)
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


@pytest.mark.parametrize(
    ("locale", "day", "clock", "number"),
    [
        ("en-GB", "5 July 2026", "19:30", "1,200"),
        ("en-US", "July 5, 2026", "7:30 PM", "1,200"),
        ("en-DE", "5 July 2026", "19:30", "1.200"),
        ("de-CH", "5. Juli 2026", "19:30", "1’200"),
        ("fr-CA", "5 juillet 2026", "19 h 30", "1 200"),
        ("es-MX", "5 de julio de 2026", "7:30 p.m.", "1,200"),
        ("ar-EG", "5 يوليو 2026", "7:30 م", "1,200"),
        ("ar-MA", "5 يوليوز 2026", "19:30", "1.200"),
        ("ar-LB", "5 تموز 2026", "7:30 م", "1.200"),
        ("pt-BR", "5 July 2026", "19:30", "1,200"),
    ],
)
def test_a_region_has_its_own_dates_clocks_and_numbers(locale, day, clock, number):
    say = wording.of(locale)
    said = (say.day(date(2026, 7, 5)), say.clock(time(19, 30)), str(say.number(1_200)))
    # With narrow and unbreakable spaces, as each has it.
    assert tuple(" ".join(text.split()) for text in said) == (day, clock, number)
    assert say.gettext("Unsubscribe") == wording.of(locale[:2]).gettext("Unsubscribe")


def test_a_number_is_written_as_its_locale_does_and_still_chooses_the_form():
    say = wording.of("de-CH")
    for count, said in ((1, "Und 1 weiterer Artikel"), (1_200, "Und 1’200 weitere Artikel")):
        number = say.number(count)
        assert (say.ngettext(*MORE, number) % {"more": number}).startswith(said)


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


ACCUSATIVE = "\u064b"
MINUTES = ("%(minutes)s min read", "%(minutes)s min read")


@pytest.mark.parametrize(
    ("locale", "counts"),
    [
        ("en", {1: "1 min read", 2: "2 min read", 0: "0 min read"}),
        ("de", {1: "1 Min. Lesezeit", 3: "3 Min. Lesezeit"}),
        ("fr", {0: "0 min de lecture", 1: "1 min de lecture", 2: "2 min de lecture"}),
        ("es", {1: "1 min de lectura", 5: "5 min de lectura"}),
        (
            "ar",
            {
                0: "قراءة 0 دقيقة",
                1: "قراءة دقيقة واحدة",
                2: "قراءة دقيقتين",
                3: "قراءة 3 دقائق",
                11: "قراءة 11 دقيقة",
                100: "قراءة 100 دقيقة",
            },
        ),
    ],
)
def test_counts_have_the_forms_of_their_language(locale, counts):
    say = wording.of(locale)
    assert {count: say.ngettext(*MINUTES, count) % {"minutes": count} for count in counts} == counts


MORE = ("And %(more)s more story: see the full list", "And %(more)s more stories: see the full list")


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ("ولا مقالات أخرى", (0,)),
        ("ومقال آخر:", (1,)),
        ("ومقالان آخران:", (2,)),
        # From three to ten the plural, from eleven the singular in the accusative, at each hundred in the genitive;
        # beyond a hundred the last two digits decide.
        ("و%(more)s مقالات أخرى:", (3, 10, 103, 110)),
        ("و%(more)s مقالًا آخر:", (11, 25, 99, 111, 199)),
        ("و%(more)s مقال آخر:", (100, 101, 102, 1000)),
    ],
)
def test_arabic_counts_in_six_forms(said, counts):
    say = wording.of("ar")
    assert [count for count in counts if not say.ngettext(*MORE, count).startswith(said)] == []


def test_every_arabic_noun_is_in_the_accusative_from_eleven_and_not_at_a_hundred():
    say = wording.of("ar")
    path = templating.data_dir("templates") / "locale" / locales.CATALOGUE.format(locale="ar")
    plurals = [message.id for message in pofile.read_po(path.open("rb"), locale="ar") if message.pluralizable]
    assert len(plurals) >= 7
    for source in plurals:
        eleven, hundred = say.ngettext(*source, 11), say.ngettext(*source, 100)
        # A noun that ends in ة shows no difference; all others are written with the ending -an.
        assert eleven == hundred or eleven.count(ACCUSATIVE) > hundred.count(ACCUSATIVE), source
        assert say.ngettext(*source, 3) not in (eleven, hundred), source


@pytest.mark.parametrize(
    ("locale", "said"),
    [
        ("en", "Mondays"),
        ("de", "montags"),
        ("de-AT", "montags"),
        ("fr", "le lundi"),
        ("es", "los lunes"),
        ("ar", "أيام الاثنين"),
    ],
)
def test_a_day_that_comes_every_week_is_said_so(locale, said):
    assert wording.of(locale).weekdays(0) == said


def test_the_language_of_a_region_without_a_catalogue_is_that_of_its_language():
    say = wording.of("fr-CA")
    assert (say.language, say.gettext("Pause for a while")) == ("fr-CA", "Faire une pause")


@pytest.mark.parametrize(
    ("accepted", "found"),
    [
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr;q=0.3, ar;q=0.9", "ar"),
        ("en-US,en;q=0.5", "en"),
        ("pt-BR, es;q=0.1", "es"),
        ("pt-BR", None),
        ("es;q=0", None),
        ("", None),
        ("*", None),
        ("de;q=nonsense", None),
        ("x" * 10_000, None),
        ("\x00,;;;q=,--", None),
    ],
)
def test_a_visitor_is_spoken_to_in_a_language_both_know(accepted, found):
    assert wording.negotiated(accepted) == found
