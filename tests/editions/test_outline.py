"""The order of a digest, and what its sentences are made of."""

from digest.editions import outline
from digest.editions.outline import Choice
from tests.support.stories import CAST, MIAS, a_story

STORIES = {story.id: story for story in CAST}


def shape(choice: Choice) -> str:
    return " ".join(f"{kind}:{about}".rstrip(":") for kind, about in outline.arrange(choice, MIAS.topics))


def test_topics_follow_the_publication_and_articles_the_choice():
    choice = Choice(full=((1, "sleep"), (2, "sleep"), (3, None), (4, "heart"), (5, "sleep")))
    assert shape(choice) == "open lead:1 heading:heart story:4 heading:sleep story:2 story:5 heading story:3 close"


def test_links_and_the_rest_follow_what_is_told_in_full():
    choice = Choice(full=((1, None),), links=((2, "heart"), (3, None)), more=4)
    assert shape(choice) == "open lead:1 brief link:2 link:3 brief_end more close"


def test_one_article_is_a_lead_and_nothing_else():
    assert shape(Choice(full=((1, "heart"),))) == "open lead:1 close"


def test_the_superset_has_every_piece_of_every_choice():
    keys = {piece.key for piece in outline.superset(CAST, MIAS.topics)}
    everything = Choice(full=tuple((story.id, "heart") for story in CAST), links=((1, None),), more=1)
    assert set(outline.arrange(everything, MIAS.topics)) <= keys
    assert len(keys) == len(outline.superset(CAST, MIAS.topics))


def test_every_story_has_a_short_form_and_a_link():
    about = {kind: [] for kind in ("lead", "story", "short", "link")}
    for piece in outline.superset(CAST, MIAS.topics):
        about.get(piece.kind, []).append(piece.about)
    assert list(about.values()) == [[story.id for story in CAST]] * 4


def test_all_that_is_told_counts():
    told = outline.tell(Choice(full=((1, "heart"),), links=((2, None),), more=5), STORIES, MIAS.topics)
    assert (told.count, told.more, told.lead.id, told.kicker, told.topics) == (7, 5, 1, "Heart", ("Heart",))


def test_more_than_three_topics_are_not_named():
    topics = [(str(number), f"Topic {number}") for number in range(4)]
    picks = tuple((number + 1, str(number)) for number in range(4))
    assert outline.tell(Choice(full=picks[:3]), STORIES, topics).topics == ("Topic 0", "Topic 1", "Topic 2")
    assert outline.tell(Choice(full=picks), STORIES, topics).topics == ()


def test_a_story_without_a_title_shows_its_address():
    assert outline.clean(a_story(1, title=" \x00", url="https://example.org/a"), str).title == "https://example.org/a"
    assert outline.clean(a_story(1, title="", url=None), str).title == "—"


def test_a_mail_becomes_smaller_first_by_shorter_stories_then_by_fewer_then_by_fewer_links():
    choice = Choice(full=((1, None), (2, "heart"), (3, None)), links=((6, None),), more=4)
    steps = [(len(step.full), step.short, len(step.links), step.more) for step in outline.smaller(choice)]
    assert steps == [
        *((3, short, 1, 4) for short in (0, 1, 2)),
        *((full, full - 1, 4 - full, 4) for full in (2, 1)),
        *((1, 0, links, 7 - links) for links in (2, 1, 0)),
    ]


def test_every_step_tells_the_same_articles_in_the_same_order():
    choice = Choice(
        full=tuple((story.id, "heart") for story in CAST[:8]), links=((9, None), (10, None)), more=3, short=2
    )
    for step in outline.smaller(choice):
        told = (*step.full, *step.links)
        assert told == (*choice.full, *choice.links)[: len(told)]
        assert len(told) + step.more == 13
        assert 0 <= step.short < len(step.full)


def test_the_last_of_those_in_full_go_short_and_stay_under_their_topic():
    choice = Choice(full=((1, "heart"), (2, "sleep"), (3, "heart"), (6, "sleep")), short=2)
    assert shape(choice) == "open lead:1 heading:heart short:3 heading:sleep story:2 short:6 close"
