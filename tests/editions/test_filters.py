"""What templates can do with a Story: fit its picture, and forward it."""

import urllib.parse

import pytest

from digest.editions import filters
from tests.support.stories import a_story


@pytest.mark.parametrize(
    ("size", "fitted"),
    [
        ((0, 0), (528, 0)),
        ((300, 0), (300, 0)),
        ((900, 0), (528, 0)),
        ((1200, 675), (528, 297)),
        ((300, 200), (300, 200)),
        ((600, 1200), (264, 528)),
        ((4000, 1), (528, 1)),
    ],
)
def test_a_picture_is_no_wider_than_the_column_and_no_taller_than_wide(size, fitted):
    assert filters.fit(a_story(1, image_width=size[0], image_height=size[1]), 528) == fitted


def test_a_story_is_forwarded_by_the_reader_s_own_program():
    link = filters.mailto(a_story(1, title="Bread & butter?", url="https://example.org/a?b=1&c=2"))
    parts = urllib.parse.urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("mailto", "", "")
    assert "+" not in link
    assert urllib.parse.parse_qs(parts.query) == {
        "subject": ["Bread & butter?"],
        "body": ["Bread & butter?\r\nhttps://example.org/a?b=1&c=2"],
    }


def test_a_long_title_does_not_make_a_long_link():
    assert len(filters.mailto(a_story(1, title="word " * 60))) < 600
