"""The catalogues are whole, and what is wrong with one is found."""

import re

import catalogues
import pytest
from babel.messages import catalog

from digest import locales, templating
from digest.editions import typeset
from digest.editions.compose import Composer
from tests.support.stories import CAST, FULL, MIAS, WEEKLY, read

WANTED = catalogues.extracted()
LANGUAGES = [catalogues.language(path) for path in catalogues.catalogues()]


@pytest.mark.parametrize("path", catalogues.catalogues(), ids=LANGUAGES)
def test_every_catalogue_is_whole(path):
    assert list(catalogues.faults(path, WANTED)) == []


def test_the_languages_promised_are_there():
    assert {"de", "ar", "fr", "es"} <= set(LANGUAGES)
    assert set(locales.spoken()) == {"en", *LANGUAGES}


@pytest.fixture
def a_catalogue(tmp_path, monkeypatch):
    """One with two texts, of which `spoil` changes what it likes."""
    monkeypatch.setattr(catalogues, "ROOT", tmp_path)
    wanted = catalog.Catalog()
    wanted.add("Hello, %(name)s", locations=[("a.html", 1)])
    wanted.add(("%(n)s day", "%(n)s days"), locations=[("a.html", 2)])

    def made(spoil=lambda held: None):
        held = catalog.Catalog(locale="de", fuzzy=False)
        held.add("Hello, %(name)s", "Hallo %(name)s")
        held.add(("%(n)s day", "%(n)s days"), ("%(n)s Tag", "%(n)s Tage"))
        spoil(held)
        path = tmp_path / "de" / "LC_MESSAGES" / "digest.po"
        path.parent.mkdir(parents=True, exist_ok=True)
        catalogues.write(path, held)
        return [fault.split(": ")[2] for fault in catalogues.faults(path, wanted)], path, wanted

    return made


@pytest.mark.parametrize(
    ("spoil", "fault"),
    [
        (lambda held: setattr(held["Hello, %(name)s"], "string", ""), "missing"),
        (lambda held: held.delete("Hello, %(name)s"), "missing"),
        (lambda held: setattr(held[("%(n)s day", "%(n)s days")], "string", ("%(n)s Tag", "")), "missing"),
        (lambda held: setattr(held["Hello, %(name)s"], "string", "Hallo"), "lacks %(name)s"),
        (lambda held: setattr(held["Hello, %(name)s"], "string", "Hallo %(nane)s"), "unknown %(nane)s"),
        (lambda held: setattr(held["Hello, %(name)s"], "string", "100 % %(name)s"), "a % that begins no placeholder"),
        (lambda held: setattr(held[("%(n)s day", "%(n)s days")], "string", ("%(n)s Tag", "Tage")), "lacks %(n)s"),
        (lambda held: held["Hello, %(name)s"].flags.add("fuzzy"), "doubtful (fuzzy)"),
        (lambda held: held.add("Gone", "Weg"), "nobody uses"),
    ],
)
def test_what_is_wrong_is_named(a_catalogue, spoil, fault):
    assert a_catalogue(spoil)[0] == [fault]


def test_a_word_may_stand_for_a_single_number(a_catalogue):
    found, _, _ = a_catalogue(
        lambda held: setattr(held[("%(n)s day", "%(n)s days")], "string", ("ein Tag", "%(n)s T."))
    )
    assert found == []


def test_an_update_brings_what_is_new_and_takes_what_is_gone(a_catalogue):
    found, path, wanted = a_catalogue(lambda held: (held.add("Gone", "Weg"), held.delete("Hello, %(name)s")))
    assert sorted(found) == ["missing", "nobody uses"]
    catalogues.update(path, wanted)
    held = catalogues.read(path)
    assert (held["Hello, %(name)s"].string, "Gone" in held) == ("", False)
    assert held[("%(n)s day", "%(n)s days")].string == ("%(n)s Tag", "%(n)s Tage")


def visible(text):
    return " ".join(re.sub(r"<style.*?</style>|<[^>]*>", " ", text, flags=re.DOTALL).split())


# Words that are the same in both languages, or names.
SAME = {"Pause", "Pages", "Pause:"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_english_is_left_where_there_is_a_translation(language):
    import dataclasses

    look = dataclasses.replace(MIAS, locale=language, tagline="", name="Mia")
    composer = Composer()
    variant = composer.prepare(look, CAST).variant(FULL, WEEKLY)
    shown = [visible(read(variant.html)), read(variant.text), read(variant.subject)]
    for notice in typeset.NOTICES:
        made = composer.notice(notice, look, {"facts": WEEKLY, "hours": 72})
        shown += [visible(read(made.html)), read(made.text), read(made.subject)]
    everything = "\n".join(shown)
    sources = {
        text
        for message in WANTED
        if message.id
        for text in ([message.id] if isinstance(message.id, str) else message.id)
    }
    # Long enough not to occur by chance within another language.
    plain = {text for text in sources if "%(" not in text and len(text) > 8} - SAME
    assert sorted(text for text in plain if text in everything) == []


def test_the_templates_of_a_wheel_come_with_their_catalogues():
    folder = templating.data_dir("templates") / "locale"
    assert sorted(path.name for path in folder.iterdir()) == sorted(LANGUAGES)
