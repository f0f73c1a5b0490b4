"""The trial of a Publication's templates: every fault by file and line, and what takes the place of nothing."""

import dataclasses
from pathlib import Path

import pytest

from digest.editions import folders, proof
from tests.editions.test_library import LOOK, lay, own
from tests.support.stories import LAYOUTS


@pytest.fixture
def places(tmp_path: Path) -> folders.Folders:
    return dataclasses.replace(folders.shipped(), publications=tmp_path)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("locale", ["en", "de", "ar"])
def test_what_we_ship_passes(places, layout, locale):
    assert proof.faults(places, dataclasses.replace(LOOK, layout=layout, locale=locale)) == ()


def test_all_forms_of_all_mails_are_tried(places):
    for name in ("digest/subject.txt", "instant/parts/lead.html", "goodbye/body.txt"):
        lay(own(places), name, "\n{{ nothing }}")
    told = proof.faults(places, LOOK)
    assert len(told) == 3
    for name in ("digest/subject.txt:2: ", "instant/parts/lead.html:2: ", "goodbye/body.txt:2: "):
        assert any(name in line for line in told)


def test_a_sentence_of_one_frequency_is_tried_too(places):
    lay(own(places), "digest/phrases/why.txt", "{% if facts.frequency == 'fortnightly' %}{{ nothing }}{% endif %}")
    [line] = proof.faults(places, LOOK)
    assert "why.txt:1" in line


def test_what_breaks_the_cutting_is_told(places):
    lay(own(places), "digest/parts/story.html", '<tr><td><p style="p">x</p></td></tr>')
    lay(own(places), "digest/parts/own.css", "p { margin: 0; }")
    assert any("cannot be inlined" in line for line in proof.faults(places, LOOK))


def test_a_style_block_that_gmail_would_drop_is_told(places):
    lay(own(places), "digest/parts/media.css", "".join(f".a{n} {{ margin: 0; }}\n" for n in range(1000)))
    assert any("Gmail drops it over 16 KB" in line for line in proof.faults(places, LOOK))


def test_a_mended_file_is_tried_anew(places):
    lay(own(places), "digest/phrases/kicker.txt", "{{ nothing }}")
    assert proof.faults(places, LOOK)
    lay(own(places), "digest/phrases/kicker.txt", "Something")
    assert proof.faults(places, LOOK) == ()


def test_a_name_that_is_misspelt_takes_the_place_of_nothing(places):
    for name in ("digest/parts/stroy.html", "digets.css", "gazette/parts/story.html", "gazette/parts/more.html"):
        lay(own(places), name, "x")
    lay(own(places), "mine/parts/whatever.html", "x")
    assert [path.name for path in proof.unknown(places, "mias-feed")] == ["stroy.html", "digets.css"]
