"""The golden proof: cutting a superset and joining blocks gives the very bytes that inlining the subset alone gives."""

import dataclasses

import pytest
from hypothesis import given, settings, strategies as st

from digest import templating
from digest.editions import blocks, inline, outline, tidy, typeset
from digest.editions.blocks import Slot
from digest.editions.compose import Choice, Composer
from tests.support.stories import CAST, MIAS, TOKEN, WEEKLY, a_story, files

ROOT = templating.data_dir("templates") / "email"
COMPOSER = Composer()
# Each layout, and the form of a single Article over each of them.
LOOKS = {
    f"{layout}{'-single' * is_single}": dataclasses.replace(MIAS, layout=layout, is_single=is_single)
    for layout in typeset.layouts(ROOT)
    for is_single in (False, True)
}
TEMPLATES = {
    (look.layout, look.is_single): typeset.environment([ROOT], look.layout, typeset.INSTANT if look.is_single else None)
    for look in LOOKS.values()
}
SLUGS = st.sampled_from(["heart", "food", "sleep", "left the publication", None])
ANY_TEXT = st.text(max_size=40) | st.sampled_from(["&amp;", "&#0;", "<!--", "-->", "]]>", "\x85", "\ud800", "\ufffe"])


@st.composite
def choices(draw, ids=tuple(story.id for story in CAST)) -> Choice:
    chosen = draw(st.lists(st.sampled_from(ids), unique=True, min_size=1, max_size=len(ids)))
    picks = [(article_id, draw(SLUGS)) for article_id in chosen]
    at = draw(st.integers(min_value=1, max_value=len(picks)))
    short = draw(st.integers(0, at - 1))
    return Choice(full=tuple(picks[:at]), links=tuple(picks[at:]), more=draw(st.integers(0, 3)), short=short)


def alone(look, stories, choice) -> dict[str, str]:
    """The same mail without marks, cuts or joins: the pieces rendered in their final order, inlined as they are."""
    marks = blocks.Marks()
    typesetter = typeset.Typesetter(TEMPLATES[look.layout, look.is_single], look, marks, "")
    topics = typesetter.look.topics
    cleaned = {story.id: outline.clean(story, str) for story in stories}
    pieces = {piece.key: piece for piece in outline.superset(cleaned.values(), topics)}
    ordered = [pieces[key] for key in outline.arrange(choice, topics)]
    words = typesetter.sentences(outline.tell(choice, cleaned, topics), WEEKLY)
    wrapped = {fill: tidy.wrap(text) for fill, text in words.items()}
    token = marks.sentinel(Slot.TOKEN)
    return {
        "subject": words[blocks.Fill.SUBJECT] + "\n",
        "html": inline.inline(typesetter.document("body.html", ordered, words)).replace(token, TOKEN),
        "txt": typesetter.document("body.txt", ordered, wrapped).replace(token, TOKEN),
    }


@pytest.mark.parametrize("name", LOOKS)
@settings(max_examples=200, deadline=None)
@given(choice=choices())
def test_a_join_is_what_inlining_the_subset_alone_gives(name, choice):
    look = LOOKS[name]
    assert files(COMPOSER.prepare(look, CAST).variant(choice, WEEKLY)) == alone(look, CAST, choice)


@settings(max_examples=40, deadline=None)
@given(ANY_TEXT, ANY_TEXT, ANY_TEXT, st.data())
def test_a_join_holds_whatever_a_feed_says(title, standfirst, author, data):
    strange = a_story(90, title=title, standfirst=standfirst, author=author, image_url="https://a.b/c", image_alt=title)
    look = dataclasses.replace(MIAS, topics=(("heart", standfirst or "Heart"),))
    cast = (strange, a_story(91), a_story(92))
    choice = data.draw(choices(ids=(90, 91, 92)))
    prepared = COMPOSER.prepare(look, cast)
    assert prepared.inlined
    assert files(prepared.variant(choice, WEEKLY)) == alone(look, cast, choice)
