"""The templates: what is wrong with one is told with its file and line, and each sentence has its wording."""

import dataclasses
import shutil
from datetime import date
from pathlib import Path

import pytest

from digest import templating
from digest.editions import blocks, outline, typeset
from digest.editions.blocks import Fill
from tests.support.stories import CAST, MIAS, WEEKLY

ROOT = templating.data_dir("templates") / "email"
TOLD = outline.Told(count=3, lead=CAST[0], kicker="", topics=(), more=0)


@pytest.fixture
def templates(tmp_path) -> Path:
    return Path(shutil.copytree(ROOT, tmp_path / "email"))


@pytest.fixture(scope="module")
def typesetter() -> typeset.Typesetter:
    return typeset.Typesetter(typeset.environment([ROOT], "digest"), MIAS, blocks.Marks(), "")


@pytest.mark.parametrize(
    ("frequency", "why"),
    [
        ("instant", "You chose to hear as it happens."),
        ("daily", "You chose daily, at 07:30 Berlin time."),
        ("weekdays", "You chose weekdays, at 07:30 Berlin time."),
        ("weekly", "You chose weekly, Mondays at 07:30 Berlin time."),
        ("fortnightly", "You chose every second Monday at 07:30 Berlin time."),
        ("monthly", "You chose monthly, the first Monday at 07:30 Berlin time."),
    ],
)
def test_a_reader_is_told_what_they_chose(typesetter, frequency, why):
    facts = dataclasses.replace(WEEKLY, frequency=frequency)
    assert typesetter.sentences(TOLD, facts)[Fill.WHY] == why


@pytest.mark.parametrize(
    ("count", "topic", "kicker"),
    [(1, "", "New story"), (2, "", "Top story"), (1, "Heart", "Heart"), (2, "Heart", "Heart")],
)
def test_a_story_on_its_own_is_no_top_story(typesetter, count, topic, kicker):
    told = dataclasses.replace(TOLD, count=count, kicker=topic)
    assert typesetter.sentences(told, WEEKLY)[Fill.KICKER] == kicker


@pytest.mark.parametrize(
    ("since", "dates"),
    [(None, "2 November 2026"), (date(2026, 11, 2), "2 November 2026"), (date(2026, 10, 27), "27 Oct – 2 Nov 2026")],
)
def test_a_range_of_one_day_is_a_day(typesetter, since, dates):
    said = typesetter.sentences(TOLD, dataclasses.replace(WEEKLY, since=since))[Fill.DATES]
    assert said.replace("\u2009", " ") == dates


@pytest.mark.parametrize(
    ("count", "topics", "opening"),
    [
        (1, ("Heart",), "New for you: “A walk"),
        (3, (), "3 new stories, led by “A walk"),
        (3, ("Heart", "Sleep"), "3 new stories on Heart and Sleep, led by “A walk"),
    ],
)
def test_the_opening_says_what_is_inside(typesetter, count, topics, opening):
    told = dataclasses.replace(TOLD, count=count, topics=topics)
    assert typesetter.sentences(told, WEEKLY)[Fill.OPENING].startswith(opening)


def test_one_more_story_is_not_stories(typesetter):
    told = dataclasses.replace(TOLD, more=1, count=2)
    assert typesetter.sentences(told, WEEKLY)[Fill.MORE] == "And 1 more story: see the full list"
    assert typesetter.sentences(told, WEEKLY)[Fill.SUBJECT].endswith(", and 1 more story")


def test_a_broken_template_is_told_with_its_file_and_line(templates):
    broken = templates / "digest" / "parts" / "story.html"
    broken.write_text("<tr>\n<td>{{ piece.story.title }\n</td></tr>")
    with pytest.raises(typeset.TemplateError, match=r"parts/story\.html:2: "):
        typeset.environment([templates], "digest")


def test_a_template_that_asks_for_what_is_not_there_is_told_by_name(templates):
    (templates / "digest" / "phrases" / "why.txt").write_text("{{ reader.shoe_size }}")
    typesetter = typeset.Typesetter(typeset.environment([templates], "digest"), MIAS, blocks.Marks(), "")
    with pytest.raises(typeset.TemplateError, match=r"phrases/why\.txt:1: 'reader' is undefined"):
        typesetter.sentences(TOLD, WEEKLY)


def test_a_stylesheet_that_cannot_be_cut_is_refused(templates):
    sheet = templates / "digest" / "parts" / "style.css"
    sheet.write_text(".story + .story { margin: 0 }")
    with pytest.raises(typeset.TemplateError, match=r"parts/style\.css:1: "):
        typeset.environment([templates], "digest")


def test_a_layout_holds_only_what_it_changes(templates):
    (templates / "plain" / "phrases").mkdir(parents=True)
    (templates / "plain" / "phrases" / "kicker.txt").write_text("First of all")
    typesetter = typeset.Typesetter(typeset.environment([templates], "plain"), MIAS, blocks.Marks(), "")
    said = typesetter.sentences(TOLD, WEEKLY)
    assert said[Fill.KICKER] == "First of all"
    assert said[Fill.WHY].startswith("You chose")


def test_templates_cannot_reach_into_python(templates):
    (templates / "digest" / "phrases" / "why.txt").write_text("{{ say.gettext.__globals__ }}")
    typesetter = typeset.Typesetter(typeset.environment([templates], "digest"), MIAS, blocks.Marks(), "")
    with pytest.raises(typeset.TemplateError, match="unsafe"):
        typesetter.sentences(TOLD, WEEKLY)


def test_a_short_story_keeps_its_title_and_who_says_so(typesetter):
    [html, text] = [
        typesetter.document(f"body.{kind}", [outline.Piece("short", 1, story=CAST[0])], {}) for kind in ("html", "txt")
    ]
    for document in (html, text):
        assert CAST[0].title[:20] in document
        assert CAST[0].author in document
        assert CAST[0].standfirst[:20] not in document
        assert "walk.jpg" not in document
        assert "How insulin works" not in document


def test_every_fault_of_all_files_is_told_at_once(templates):
    (templates / "digest" / "subject.txt").write_text("{% if %}")
    (templates / "digest" / "parts" / "own.css").write_text("\n.a { color: #fff; }")
    (templates / "digest" / "parts" / "more.txt").write_bytes(b"\xff")
    with pytest.raises(typeset.TemplateError) as caught:
        typeset.environment([templates], "digest")
    told = str(caught.value)
    assert len(told.splitlines()) == 3
    for words in ("subject.txt:1: ", "own.css:2: '#fff'", "more.txt: is not UTF-8"):
        assert words in told


@pytest.mark.parametrize(
    "mistake", ["{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ {}['x'].y }}", "{{ told.lead.title|wrap(0) }}"]
)
def test_whatever_goes_wrong_while_filling_is_a_template_error_with_its_line(templates, mistake):
    (templates / "digest" / "phrases" / "kicker.txt").write_text(f"\n{mistake}")
    typesetter = typeset.Typesetter(typeset.environment([templates], "digest"), MIAS, blocks.Marks(), "")
    with pytest.raises(typeset.TemplateError, match=r"phrases/kicker\.txt:2: "):
        typesetter.sentences(TOLD, WEEKLY)


def test_what_is_no_template_is_not_read(templates):
    (templates / "digest" / "parts" / "story.html~").write_bytes(b"\xff{% if %}")
    (templates / "digest" / ".DS_Store").write_bytes(b"\x00\xff")
    typeset.environment([templates], "digest")
