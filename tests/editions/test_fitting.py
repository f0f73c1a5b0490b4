"""A mail never grows beyond what mail programs show whole, however much there is to tell."""

import dataclasses

import pytest
from structlog import testing

from digest.editions import compose, outline
from digest.editions.compose import Choice, Composer
from tests.support.stories import LAYOUTS, MIAS, WEEKLY, a_story, read

COMPOSER = Composer()
LANGUAGES = ("en", "ar")
LONG = "A sentence of a standfirst that somebody could not bring to an end before it had said it all. " * 220
RELATED = tuple(
    (f"Related reading {number}, with a title of some length", f"https://a.example/{number}") for number in range(9)
)


def an_endless_story(number: int) -> compose.Story:
    return a_story(
        number,
        title=f"{number} " + "Ein sehr langer Titel über Ärzte & Pflege " * 7,
        standfirst=LONG,
        image_url=f"https://news.example.net/{number}.jpg",
        image_alt="What can be seen " * 20,
        author="Somebody with a name " * 6,
        source="The Journal of Long Names " * 5,
        related=RELATED,
    )


ENDLESS = tuple(an_endless_story(number) for number in range(1, 301))
ORDINARY = tuple(a_story(number, standfirst="What it is about, in a sentence or two. " * 4) for number in range(1, 61))


def a_choice(full: int, links: int = 0, more: int = 0) -> Choice:
    picks = tuple((number, ("heart", "food", "sleep", None)[number % 4]) for number in range(1, full + links + 1))
    return Choice(picks[:full], picks[full:], more)


def prepared(layout: str, locale: str, stories) -> compose.Prepared:
    return COMPOSER.prepare(dataclasses.replace(MIAS, layout=layout, locale=locale), stories)


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("stories", "choice"),
    [
        (ENDLESS[:1], a_choice(1)),
        (ENDLESS[:50], a_choice(50)),
        (ENDLESS, a_choice(50, 200, 50)),
        (ORDINARY, a_choice(20, 40)),
    ],
    ids=["one endless", "fifty endless", "three hundred endless", "sixty ordinary"],
)
def test_the_html_keeps_its_budget_and_its_footer(layout, locale, stories, choice):
    ready = prepared(layout, locale, stories)
    fit, variant = ready.fitted(choice, WEEKLY)
    assert variant == ready.variant(fit, WEEKLY)
    html = read(variant.html)
    assert len(html.encode()) <= compose.HTML_BUDGET
    assert html.rstrip().endswith("</html>")
    assert html.count("/unsubscribe/") >= 2
    assert MIAS.postal_address.splitlines()[-1] in html
    # All of it is told: by name, or as a number with a link to the list.
    told = (*fit.full, *fit.links)
    assert told == (*choice.full, *choice.links)[: len(told)]
    assert len(told) + fit.more == len(choice.full) + len(choice.links) + choice.more
    assert ("/more" in html) == (fit.more > 0)


def test_what_fits_is_left_as_it_was_chosen():
    choice = a_choice(8, 12, 3)
    assert prepared("digest", "en", ORDINARY).fitted(choice, WEEKLY)[0] is choice


def test_only_as_much_is_cut_as_must_be():
    ready = prepared("digest", "en", ENDLESS[:50])
    choice = a_choice(50)
    fit, steps = ready.fitted(choice, WEEKLY)[0], outline.smaller(choice)
    larger = steps[steps.index(fit) - 1]
    assert compose.html_bytes(ready.variant(larger, WEEKLY).html) > compose.HTML_BUDGET


def test_to_fit_what_fits_already_changes_nothing():
    ready = prepared("digest", "en", ENDLESS[:50])
    fit, variant = ready.fitted(a_choice(50), WEEKLY)
    assert ready.fitted(fit, WEEKLY) == (fit, variant)


def test_a_frame_that_is_too_large_by_itself_is_sent_and_said_to_be(monkeypatch):
    monkeypatch.setattr(compose, "HTML_BUDGET", 2_000)
    ready = prepared("digest", "en", ORDINARY)
    with testing.capture_logs() as logs:
        fit, _ = ready.fitted(a_choice(3, 3), WEEKLY)
    assert (len(fit.full), len(fit.links), fit.more) == (1, 0, 5)
    assert [line["event"] for line in logs] == ["mail_too_large"]


def test_bytes_are_counted_as_a_mail_program_would():
    assert compose.html_bytes(("<p>ü</p>", compose.Slot.TOKEN)) == 9 + compose.SLOT_BYTES
