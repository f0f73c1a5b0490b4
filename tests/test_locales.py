"""Language tags as people and programs write them."""

import pytest

from digest import locales


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("en", "en"),
        ("de_at", "de-AT"),
        ("EN-us", "en-US"),
        (" fr-CA ", "fr-CA"),
        ("zh-TW", "zh-Hant-TW"),
        ("pt-BR", "pt-BR"),
        ("es-419", "es-419"),
    ],
)
def test_a_tag_is_kept_with_its_region_as_it_is_written(text, meant):
    assert locales.parse(text) == meant
    assert locales.parse(meant) == meant


@pytest.mark.parametrize(
    "text", ["", "-", "klingon", "xx", "de-XX", "de_DE@euro", "a" * 300, "\x00", "English, please"]
)
def test_what_nobody_knows_is_refused_with_the_languages_there_are(text):
    with pytest.raises(
        locales.LocaleError, match=r"write it like en or de-AT \(there are texts in en, ar, de, es, fr\)"
    ):
        locales.parse(text)
