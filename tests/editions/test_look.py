"""The Look and its palette: whatever colours a Publication chooses, its mail can be read."""

import itertools

import pytest
from hypothesis import example, given, strategies as st

from digest import publications
from digest.editions import look

COLOURS = st.integers(0, 0xFFFFFF).map("#{:06x}".format)


def test_contrast_is_that_of_the_standard():
    assert look.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert look.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert look.contrast("#0b6e78", "#0b6e78") == 1


def test_a_readable_colour_is_left_alone():
    assert look.readable("#0b6e78", "#ffffff") == "#0b6e78"


def test_a_pale_colour_is_darkened_on_white_and_a_dark_one_lightened_on_black():
    assert look.contrast(look.readable("#ffee00", "#ffffff"), "#ffffff") >= 4.5
    assert look.contrast(look.readable("#000080", "#101010"), "#101010") >= 4.5


@given(COLOURS, COLOURS, COLOURS)
# A page on which both black and white can be read, and a card on which white cannot.
@example("#000000", "#308700", "#ffffe3")
def test_everything_that_is_written_can_be_read(accent, background, text):
    palette = look.palette(publications.Colours(accent=accent, background=background, text=text))
    for shades in (palette.light, palette.dark):
        for ink, ground in itertools.product((shades.text, shades.muted, shades.accent), (shades.page, shades.card)):
            assert look.contrast(ink, ground) >= 4.5, (ink, ground, shades)
        assert look.contrast(shades.ink, shades.accent) >= 4.5, shades
        assert look.contrast(shades.text, shades.tint) >= 4.5, shades


def test_the_chosen_colours_are_kept_where_they_can_be_read():
    light = look.palette(publications.Colours(accent="#0b6e78", background="#f4f6f7", text="#1c262d")).light
    assert (light.page, light.card, light.text, light.accent) == ("#f4f6f7", "#ffffff", "#1c262d", "#0b6e78")


def test_a_colour_that_was_moved_is_told_with_what_it_became():
    pale = publications.Colours(accent="#ffd54a", background="#ffffff", text="#222222")
    [told] = look.adjustments(pale)
    shown = look.palette(pale).light.accent
    assert told.startswith(f"colours.accent: #ffd54a was darkened to {shown}, so that it can be read")
    [told] = look.adjustments(publications.Colours(accent="#8888ff", background="#101010", text="#303030"))
    assert told.startswith("colours.text: #303030 was lightened to #")
    assert look.adjustments(publications.Colours()) == []


def test_one_article_as_it_happens_has_a_form_of_its_own():
    made = look.Look("A", "https://a.example")
    assert look.suited(made, "instant", 1).is_single
    assert not look.suited(made, "instant", 2).is_single
    assert not look.suited(made, "daily", 1).is_single


def test_a_look_is_made_from_what_the_publisher_wrote():
    spec = publications.Spec(
        slug="mias-feed",
        name="Mia's Feed",
        sender_name="Mia",
        sender_address="mia@example.org",
        postal_address="1 Example Street",
        frequencies=(publications.Offer(frequency="weekly"),),
        topics=(publications.Topic(slug="heart", name="Heart"),),
    )
    made = look.of(spec, "https://mail.example.org/")
    assert (made.name, made.base_url) == ("Mia's Feed", "https://mail.example.org")
    assert made.topics == (("heart", "Heart"),)
    own = spec.model_copy(update={"base_url": "https://mias.example.org"})
    assert look.of(own, "https://mail.example.org").base_url == "https://mias.example.org"


def test_looks_that_differ_have_different_fingerprints():
    one, other = look.Look("A", "https://a.example"), look.Look("A", "https://a.example", tagline="x")
    assert one.fingerprint == look.Look("A", "https://a.example").fingerprint
    assert one.fingerprint != other.fingerprint


def test_a_clean_look_keeps_the_lines_of_its_address():
    made = look.clean(look.Look("A\nB", "https://a.example", postal_address="12 Street\r\n\r\n 10115\tBerlin "))
    assert (made.name, made.postal_address) == ("A B", "12 Street\n10115 Berlin")
