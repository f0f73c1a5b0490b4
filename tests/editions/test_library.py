"""Own templates: what they replace, and that nothing in them can stop a mail."""

import dataclasses
from pathlib import Path

import pytest
from structlog import testing

from digest.editions import folders, inline, library, look
from digest.editions.compose import Composer
from tests.support.stories import CAST, MIAS, ONE, WEEKLY, a_story, read

LOOK = dataclasses.replace(MIAS, slug="mias-feed")


@pytest.fixture
def places(tmp_path: Path) -> folders.Folders:
    return dataclasses.replace(folders.shipped(), house=tmp_path / "house", publications=tmp_path / "publications")


def lay(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def own(places: folders.Folders, slug: str = "mias-feed") -> Path:
    found = places.own(slug)
    assert found
    return found


def composed(composer: Composer, dressed: look.Look = LOOK) -> tuple[str, str]:
    """Subject and HTML, and whether that was said to be the shipped form."""
    variant = composer.prepare(dressed, CAST).variant(ONE, WEEKLY)
    return read(variant.subject), read(variant.html)


def test_a_file_takes_the_place_of_the_one_of_its_name_and_of_no_other(places):
    lay(own(places), "digest/parts/kicker.html", "never included")
    lay(own(places), "digest/phrases/kicker.txt", "First of all")
    subject, html = composed(Composer(places))
    assert "First of all" in html
    assert subject.startswith("A walk after dinner")
    assert "You chose weekly" in html


def test_one_publication_s_own_file_is_not_another_s(places):
    lay(own(places), "digest/phrases/kicker.txt", "First of all")
    composer = Composer(places)
    assert "First of all" not in composed(composer, dataclasses.replace(LOOK, slug="toms-feed"))[1]
    assert "First of all" in composed(composer)[1]


def test_a_publication_s_file_lies_over_the_installation_s(places):
    lay(places.house, "digest/phrases/kicker.txt", "The house says")
    lay(places.house, "digest/phrases/why.txt", "The house knows why.")
    lay(own(places), "digest/phrases/kicker.txt", "Mia says")
    html = composed(Composer(places))[1]
    assert "Mia says" in html
    assert "The house knows why." in html


def test_a_file_for_all_layouts_gives_way_to_the_layout_s_own(places):
    lay(own(places), "digest/parts/lead.html", "<tr><td>of digest</td></tr>")
    lay(own(places), "gazette/parts/story.html", "<tr><td>of gazette</td></tr>")
    lay(own(places), "digest/parts/own.css", ".headline { color: #010203; }")
    html = composed(Composer(places), dataclasses.replace(LOOK, layout="gazette"))[1]
    assert "of digest" not in html
    assert "#010203" in html


def test_a_publication_may_have_a_layout_of_its_own(places):
    lay(own(places), "mine/phrases/kicker.txt", "Mine")
    assert "Mine" in composed(Composer(places), dataclasses.replace(LOOK, layout="mine"))[1]


def test_own_rules_are_inlined_and_win(places):
    lay(own(places), "digest/parts/own.css", ".headline { color: #010203; font-size: 40px; }")
    html = composed(Composer(places))[1]
    heading = html[html.index('<h2 class="headline') :]
    assert "font-size:40px" in heading[: heading.index(">")]


BROKEN = [
    ("digest/subject.txt", "{% if %}", "subject.txt:1"),
    ("digest/subject.txt", "{{ told.nothing }}", "subject.txt:1"),
    ("digest/parts/lead.html", "\n{{ story.nothing }}", "lead.html:2"),
    ("digest/parts/own.css", ".a + .b { margin: 0; }", "own.css:1"),
    ("digest/parts/lead.html", '<tr><td><p style="p">x</p></td></tr>', "TypeError"),
]


@pytest.mark.parametrize(("name", "text", "place"), BROKEN)
@pytest.mark.parametrize("by", ["publication", "house"])
def test_what_is_broken_gives_way_to_what_is_shipped_and_the_log_says_so(places, name, text, place, by):
    lay(own(places) if by == "publication" else places.house, name, text)
    if place == "TypeError":
        lay(own(places) if by == "publication" else places.house, "digest/parts/own.css", "p { margin: 0; }")
    with testing.capture_logs() as logs:
        found = composed(Composer(places))
    assert found == composed(Composer())
    [entry] = [entry for entry in logs if entry["event"] == "own_templates_not_used"]
    assert (entry["log_level"], entry["publication"]) == ("error", "mias-feed")
    assert place in entry["reason"]


def test_a_broken_publication_leaves_the_installation_s_own_in_use(places):
    lay(places.house, "digest/phrases/kicker.txt", "The house says")
    lay(own(places), "digest/parts/story.html", "{% if %}")
    assert "The house says" in composed(Composer(places))[1]


def test_a_broken_publication_is_no_matter_of_others(places):
    lay(own(places), "digest/parts/story.html", "{% if %}")
    lay(own(places, "toms-feed"), "digest/phrases/kicker.txt", "Tom says")
    composer = Composer(places)
    composed(composer)
    assert "Tom says" in composed(composer, dataclasses.replace(LOOK, slug="toms-feed"))[1]


def test_a_notice_gives_way_too(places):
    lay(own(places), "welcome/body.html", "{{ nothing }}")
    with testing.capture_logs() as logs:
        made = Composer(places).notice("welcome", LOOK, {"facts": WEEKLY})
    assert "Mia" in read(made.html)
    assert "body.html:1" in logs[0]["reason"]


def test_what_failed_is_said_once_and_costs_no_other_mail_its_time(places, monkeypatch):
    lay(own(places), "digest/parts/lead.html", "{{ story.nothing }}")
    composer, calls, original = Composer(places), [], inline.inline
    monkeypatch.setattr(inline, "inline", lambda document: calls.append(1) or original(document))
    with testing.capture_logs() as logs:
        for _ in range(3):
            composed(composer)
    assert len(calls) == 1
    assert len(logs) == 1


def test_a_mended_template_is_used_again(places, monkeypatch):
    monkeypatch.setattr(library, "LOOK_AGAIN", 0)
    lay(own(places), "digest/phrases/kicker.txt", "{{ nothing }}")
    composer = Composer(places)
    assert "Heart" in composed(composer)[1]
    lay(own(places), "digest/phrases/kicker.txt", "Mended, and of another length")
    assert "Mended" in composed(composer)[1]


def test_one_story_a_template_cannot_take_is_told_in_the_shipped_form(places):
    lay(own(places), "digest/parts/story.html", "<tr><td>{{ 10 // piece.story.minutes }}</td></tr>")
    composer = Composer(places)
    with testing.capture_logs() as logs:
        prepared = composer.prepare(LOOK, [a_story(1), a_story(2, minutes=0)])
    assert prepared.inlined
    assert "story.html:1" in logs[0]["reason"]


def test_templates_are_looked_at_again_after_a_second_only(places, monkeypatch):
    looks, original = [], folders.fingerprint
    monkeypatch.setattr(folders, "fingerprint", lambda roots: looks.append(1) or original(roots))
    composer = Composer(places)
    composed(composer)
    first = len(looks)
    composed(composer)
    assert len(looks) == first


def test_a_folder_that_may_not_be_read_is_not_there(places, tmp_path):
    (tmp_path / "house").write_text("a file, not a folder")
    assert places.roots("mias-feed") == (folders.shipped().shipped,)


def test_a_link_to_nowhere_is_no_reason_to_fail(places):
    lay(own(places), "digest/phrases/kicker.txt", "x").unlink()
    (own(places) / "digest/phrases/kicker.txt").symlink_to("nowhere")
    assert "Heart" in composed(Composer(places))[1]
