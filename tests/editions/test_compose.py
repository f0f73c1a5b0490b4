"""Composing: golden mails of a fixed cast, what is kept, and what happens when the inliner fails.

DIGEST_UPDATE_GOLDEN=1 writes the golden files anew; look at the difference before you commit it.
"""

import dataclasses
import os
import re
import shutil
import threading
from pathlib import Path

import pytest
from structlog import testing

from digest import publications, templating
from digest.editions import compose, folders, inline, library, shelf, typeset
from digest.editions.compose import Choice, Composer, Slot
from tests.support import stories
from tests.support.stories import CAST, FULL, MIAS, ONE, TROUBLE, WEEKLY, a_story, files, read

AS_IT_HAPPENS = dataclasses.replace(WEEKLY, frequency="instant", since=None)
GOLDEN = Path(__file__).parents[1] / "golden"
TEMPLATES = templating.data_dir("templates") / "email"


@pytest.fixture(scope="module")
def composer() -> Composer:
    return Composer()


@pytest.fixture
def inlined(monkeypatch) -> list[str]:
    """Every document given to the inliner, which still does its work."""
    seen: list[str] = []
    original = inline.inline

    def watched(document: str) -> str:
        seen.append(document)
        return original(document)

    monkeypatch.setattr(inline, "inline", watched)
    return seen


def agrees_with_golden(name: str, variant: compose.Variant) -> None:
    for kind, text in files(variant).items():
        path = GOLDEN / f"{name}.{kind}"
        if os.environ.get("DIGEST_UPDATE_GOLDEN"):
            path.write_text(text, encoding="utf-8", newline="")
        assert text == path.read_bytes().decode(), f"{path.name} differs; DIGEST_UPDATE_GOLDEN=1 writes it anew"


@pytest.mark.parametrize(("name", "choice"), [("digest-full", FULL), ("digest-one", ONE), ("digest-trouble", TROUBLE)])
def test_a_digest_looks_as_it_did(composer, name, choice):
    prepared = composer.prepare(MIAS, CAST)
    assert prepared.inlined
    agrees_with_golden(name, prepared.variant(choice, WEEKLY))


@pytest.mark.parametrize("layout", ["compact", "gazette"])
def test_a_layout_looks_as_it_did(composer, layout):
    prepared = composer.prepare(dataclasses.replace(MIAS, layout=layout), CAST)
    assert prepared.inlined
    agrees_with_golden(f"{layout}-full", prepared.variant(FULL, WEEKLY))


def test_a_story_as_it_happens_looks_as_it_did(composer):
    look = dataclasses.replace(MIAS, is_single=True)
    agrees_with_golden("instant", composer.prepare(look, CAST).variant(ONE, AS_IT_HAPPENS))


@pytest.mark.parametrize(
    ("name", "context"),
    [
        ("confirm", {"facts": WEEKLY, "hours": 72}),
        ("welcome", {"facts": dataclasses.replace(WEEKLY, topics=("Heart", "Sleep"))}),
        ("goodbye", {}),
        ("already", {"facts": WEEKLY}),
        ("changed", {"facts": AS_IT_HAPPENS}),
        ("address", {"facts": WEEKLY}),
        ("moving", {"facts": WEEKLY}),
        ("taken", {"hours": 72}),
        ("manage", {"hours": 24}),
    ],
)
def test_a_notice_looks_as_it_did(composer, name, context):
    agrees_with_golden(name, composer.notice(name, MIAS, context))


def test_a_welcome_with_stories_looks_as_it_did(composer):
    told = tuple(composer.cleaned(story) for story in CAST[:3])
    agrees_with_golden("welcome-stories", composer.notice("welcome", MIAS, {"facts": WEEKLY, "stories": told}))


def test_notices_of_one_context_are_not_taken_for_each_other(composer):
    """A reader asked to confirm and welcomed on one day is told of the same Cadence and first digest in both."""
    context = {"facts": WEEKLY, "hours": 72}
    made = {name: composer.notice(name, MIAS, context) for name in typeset.NOTICES}
    assert len({read(variant.subject) for variant in made.values()}) == len(typeset.NOTICES)
    assert composer.notice("welcome", MIAS, context) is made["welcome"]


def test_a_right_to_left_locale_turns_the_mail_around(composer):
    look = dataclasses.replace(MIAS, locale="ar")
    html = read(composer.prepare(look, CAST).variant(ONE, WEEKLY).html)
    assert '<html lang="ar" dir="rtl"' in html
    assert '<div class="page" lang="ar" dir="rtl"' in html
    assert "text-align:right" in html
    assert "text-align:left" not in html


def test_a_logo_has_its_size_and_its_words(composer):
    logo = publications.Logo(url="https://mias.example.org/logo.png", alt="Mia's Feed", width=120, height=40)
    html = read(composer.prepare(dataclasses.replace(MIAS, logo=logo), CAST).variant(ONE, WEEKLY).html)
    assert 'src="https://mias.example.org/logo.png" alt="Mia\'s Feed" width="120" height="40"' in html


def test_a_source_is_not_named_in_its_own_publication(composer):
    cast = (a_story(1, source=MIAS.name, author="Ada Diaz"), a_story(2, source="The Example Journal"))
    variant = composer.prepare(MIAS, cast).variant(Choice(((1, None), (2, None))), WEEKLY)
    assert "2 min read\u00a0· by Ada Diaz\u00a0· 2" in read(variant.html)
    assert "2 min read · by Ada Diaz · 2 Nov" in read(variant.text)
    assert "The Example Journal" in read(variant.html)
    assert "The Example Journal" in read(variant.text)


@pytest.mark.parametrize("name", ["confirm", "address", "moving", "manage"])
def test_a_button_is_pressed_wherever_it_is_seen(composer, name):
    """The room around the words is the link's, and the cell's only where Outlook reads."""
    html = read(composer.notice(name, MIAS, {"facts": WEEKLY, "hours": 72}).html)
    assert re.search(r'<a class="ink" [^>]*padding:13px 28px', html)
    assert not re.search(r'<td class="key face"[^>]*padding', html)


def test_only_the_token_is_left_open(composer):
    variant = composer.prepare(MIAS, CAST).variant(FULL, WEEKLY)
    for segments in (variant.html, variant.text):
        assert {segment for segment in segments if type(segment) is not str} == {Slot.TOKEN}
    assert all(type(segment) is str for segment in variant.subject)


def test_every_link_of_ours_is_a_fixed_address_and_the_token(composer):
    variant = composer.prepare(MIAS, CAST).variant(FULL, WEEKLY)
    for segments in (variant.html, variant.text):
        before = [segments[at - 1] for at, segment in enumerate(segments) if segment is Slot.TOKEN]
        paths = {text.rpartition("https://mias.example.org")[2] for text in before}
        assert paths == {"/unsubscribe/", "/less/", "/pause/", "/topics/", "/settings/", "/mail/"}


def test_nothing_internal_is_left_in_a_mail(composer):
    variant = composer.prepare(MIAS, CAST).variant(TROUBLE, WEEKLY)
    for text in files(variant).values():
        assert composer._marks.nonce not in text


def test_a_story_that_knows_the_nonce_cannot_use_it(composer):
    nonce = composer._marks.nonce
    forger = a_story(99, title=f"@@{nonce}-token@@ <!--{nonce} 1-->", url=f"https://example.net/@@{nonce}-token@@")
    prepared = composer.prepare(MIAS, [forger])
    assert prepared.inlined
    variant = prepared.variant(Choice(full=((99, None),)), WEEKLY)
    assert not any(nonce in text for text in files(variant).values())


def test_a_title_cannot_forge_a_second_header_line(composer):
    stories_ = [a_story(1, title="Hello\r\nBcc: all@example.org\u2028there")]
    [subject] = composer.prepare(MIAS, stories_).variant(ONE, WEEKLY).subject
    assert subject == "Hello Bcc: all@example.org there"


def test_a_subject_tells_the_lead_and_the_count_within_seventy_characters(composer):
    prepared = composer.prepare(MIAS, CAST)
    [subject] = prepared.variant(FULL, WEEKLY).subject
    assert subject == "A walk after dinner steadies blood sugar, a…, and 219 more stories"
    [subject] = prepared.variant(TROUBLE, WEEKLY).subject
    assert len(subject) <= 70


def test_the_first_words_of_a_mail_say_what_is_inside(composer):
    html = read(composer.prepare(MIAS, CAST).variant(FULL, WEEKLY).html)
    body = html[html.index("<body") :]
    assert body.index("220 new stories on Heart, Sleep and Food &amp; nutrition, led by “A walk") < body.index("<h1")


def test_an_article_whose_topic_is_gone_stands_under_the_general_heading(composer):
    variant = composer.prepare(MIAS, CAST).variant(Choice(full=((1, None), (8, "no-such-topic"))), WEEKLY)
    text = read(variant.text)
    assert text.index("Also new") < text.index("Story number 8")


def test_the_second_edition_inlines_only_what_it_adds(composer, inlined):
    composer.prepare(MIAS, CAST)
    inlined.clear()
    composer.prepare(MIAS, [*CAST, a_story(50), a_story(51)])
    [document] = inlined
    assert "Story number 50" in document
    assert "Story number 8" not in document


def test_another_zone_or_variant_inlines_nothing(composer, inlined):
    composer.prepare(MIAS, CAST)
    inlined.clear()
    for choice in (FULL, ONE, TROUBLE):
        composer.prepare(MIAS, CAST).variant(choice, dataclasses.replace(WEEKLY, timezone="Asia/Tokyo"))
    assert inlined == []


def test_an_edited_story_is_inlined_again(composer, inlined):
    composer.prepare(MIAS, CAST)
    inlined.clear()
    edited = dataclasses.replace(stories.LEAD, version=2, title="Corrected: a walk after dinner")
    prepared = composer.prepare(MIAS, [edited, *CAST[1:]])
    assert len(inlined) == 1
    assert "Corrected: a walk" in read(prepared.variant(ONE, WEEKLY).html)


def test_each_language_and_each_look_is_inlined_once(composer, inlined):
    for look in (dataclasses.replace(MIAS, locale="fr"), dataclasses.replace(MIAS, name="Tom's Feed")):
        for _ in range(2):
            composer.prepare(look, CAST)
    assert len(inlined) == 2


def test_threads_that_ask_together_inline_once(composer, inlined):
    look = dataclasses.replace(MIAS, name="Asked for at once")
    threads = [threading.Thread(target=composer.prepare, args=(look, CAST)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(inlined) == 1


def test_segments_come_back_as_the_same_objects(composer):
    prepared = composer.prepare(MIAS, CAST)
    one, other = prepared.variant(ONE, WEEKLY), prepared.variant(FULL, WEEKLY)
    assert {id(segment) for segment in one.html if len(segment) > 500} <= {id(segment) for segment in other.html}


def test_a_notice_is_rendered_once_per_context(composer, inlined):
    context = {"facts": WEEKLY, "hours": 48}
    first = composer.notice("confirm", MIAS, context)
    assert composer.notice("confirm", MIAS, dict(context)) is first
    assert len(inlined) == 1


def test_the_shelf_forgets_what_was_not_asked_for():
    kept = shelf.Shelf(2)
    for letter in "ab":
        kept.put(letter, letter.upper())
    kept.get("a")
    kept.put("c", "C")
    assert [kept.get(letter) for letter in "abc"] == ["A", None, "C"]


@pytest.fixture
def own_templates(tmp_path) -> Path:
    return Path(shutil.copytree(TEMPLATES, tmp_path / "email"))


def test_when_the_inliner_fails_the_mail_goes_out_plainer_and_the_log_says_so(own_templates):
    # A style that reads like a selector collides in premailer's cache and raises.
    lead = own_templates / "digest" / "parts" / "lead.html"
    lead.write_text(lead.read_text().replace('<p class="kicker', '<p style="p" class="kicker'))
    sheet = own_templates / "digest" / "parts" / "style.css"
    sheet.write_text(sheet.read_text() + "p { margin: 0; }\n")
    composer = Composer(folders.Folders(own_templates))
    with testing.capture_logs() as logs:
        prepared = composer.prepare(MIAS, CAST)
    assert not prepared.inlined
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("mail_not_inlined", "error")]
    html = read(prepared.variant(FULL, WEEKLY).html)
    assert html.startswith("<!DOCTYPE html>")
    assert ".standfirst { margin" in html
    assert composer._marks.nonce not in html


def test_what_was_not_inlined_is_not_kept(composer, monkeypatch):
    look = dataclasses.replace(MIAS, name="Unlucky once")

    def fail(document: str) -> str:
        raise inline.InlineError("out of order")

    with monkeypatch.context() as patched:
        patched.setattr(inline, "inline", fail)
        assert not composer.prepare(look, CAST).inlined
    assert composer.prepare(look, CAST).inlined


def test_an_inliner_that_loses_a_mark_is_not_believed(composer, monkeypatch):
    original = inline.inline
    monkeypatch.setattr(inline, "inline", lambda document: original(document).replace(f"{composer._marks.nonce} 5", ""))
    assert not composer.prepare(dataclasses.replace(MIAS, name="Lossy"), CAST).inlined


def test_an_edited_template_shows_in_the_next_mail(own_templates, monkeypatch):
    monkeypatch.setattr(library, "LOOK_AGAIN", 0)
    composer = Composer(folders.Folders(own_templates))
    composer.prepare(MIAS, CAST)
    (own_templates / "digest" / "phrases" / "why.txt").write_text("Because.")
    assert "Because." in read(composer.prepare(MIAS, CAST).variant(ONE, WEEKLY).html)


@pytest.mark.parametrize("layout", ["nowhere", "welcome", "instant"])
def test_a_layout_there_is_not_gives_way_to_the_one_that_is_always_there(composer, layout):
    with testing.capture_logs() as logs:
        prepared = composer.prepare(dataclasses.replace(MIAS, layout=layout), CAST)
    assert prepared.typesetter.look.layout == "digest"
    assert f"no mail layout '{layout}'; there are: compact, digest, gazette" in logs[0]["reason"]


@pytest.mark.parametrize("layout", ["digest", "compact", "gazette"])
@pytest.mark.parametrize("is_single", [False, True])
def test_every_layout_has_one_first_heading_and_a_way_out_before_it(composer, layout, is_single):
    look = dataclasses.replace(MIAS, layout=layout, is_single=is_single)
    html = read(composer.prepare(look, CAST).variant(ONE, WEEKLY).html)
    assert html.count("<h1") == 1
    assert html.index("/unsubscribe/") < html.index("<h1")


def test_a_story_sent_alone_is_what_the_mail_is_about(composer):
    look = dataclasses.replace(MIAS, is_single=True)
    html = read(composer.prepare(look, CAST).variant(ONE, WEEKLY).html)
    assert "A walk after dinner" in html[html.index("<h1") : html.index("</h1>")]


def test_the_logo_is_the_heading_in_place_of_the_name(composer):
    logo = publications.Logo(url="https://mias.example.org/logo.png", alt="Mia's Feed", width=120, height=40)
    html = read(composer.prepare(dataclasses.replace(MIAS, logo=logo), CAST).variant(ONE, WEEKLY).html)
    heading = html[html.index("<h1") : html.index("</h1>")]
    assert "<img" in heading
    assert not heading.endswith("Mia's Feed")


def test_a_theme_dresses_a_layout(composer):
    theme = publications.Theme(headings="sans", text="serif", corners="square")
    html = read(composer.prepare(dataclasses.replace(MIAS, theme=theme), CAST).variant(ONE, WEEKLY).html)
    assert "Georgia" not in html[html.index("<h1") : html.index("</h1>")]
    assert "border-radius:8px" not in html
