"""Marks, sentinels, cutting and escaping by place."""

import pytest

from digest.editions import blocks
from digest.editions.blocks import CutError, Fill, Gap, Marks, Place, Slot


@pytest.fixture
def marks() -> Marks:
    return Marks()


def test_a_document_is_cut_at_its_marks(marks):
    document = f"one{marks.mark(0)}{marks.mark(1)}two{marks.mark(2)}three"
    assert marks.cut(document, 3, is_html=True) == [("one",), ("two",), ("three",)]


def test_the_doctype_stays_first(marks):
    assert marks.mark(0) == ""


@pytest.mark.parametrize("found", [[1], [2, 1], [1, 1], [1, 2, 3]])
def test_lost_doubled_or_moved_marks_are_noticed(marks, found):
    with pytest.raises(CutError):
        marks.cut("".join(map(marks.mark, found)), 3, is_html=True)


def test_half_a_sentinel_is_noticed(marks):
    with pytest.raises(CutError):
        marks.cut(f"@@{marks.nonce}-tok", 1, is_html=True)


def test_a_sentinel_becomes_a_slot_or_a_gap_with_its_place(marks):
    why, token = marks.sentinel(Fill.WHY), marks.sentinel(Slot.TOKEN)
    document = f'<a href="/{token}" title="{why}">{why}</a><a href={why}>x > {why}'
    [block] = marks.cut(document, 1, is_html=True)
    assert block == (
        '<a href="/',
        Slot.TOKEN,
        '" title="',
        Gap(Fill.WHY, Place.ATTRIBUTE),
        '">',
        Gap(Fill.WHY, Place.TEXT),
        "</a><a href=",
        Gap(Fill.WHY, Place.URL),
        ">x > ",
        Gap(Fill.WHY, Place.TEXT),
    )


def test_in_plain_text_every_place_is_plain(marks):
    [block] = marks.cut(f"<{marks.sentinel(Fill.MORE)}>", 1, is_html=False)
    assert block == ("<", Gap(Fill.MORE, Place.PLAIN), ">")


def test_a_value_is_escaped_for_its_place():
    words = {Fill.MORE: """<a> & "b" 'c'"""}
    assert {place: blocks.join([(Gap(Fill.MORE, place),)], words) for place in Place} == {
        Place.PLAIN: ("""<a> & "b" 'c'""",),
        Place.TEXT: ("""&lt;a&gt; &amp; "b" 'c'""",),
        Place.ATTRIBUTE: ("&lt;a&gt; &amp; &quot;b&quot; &#x27;c&#x27;",),
        Place.URL: ("%3Ca%3E%20%26%20%22b%22%20%27c%27",),
    }


def test_a_join_fills_gaps_and_leaves_slots():
    cut = [("a", Gap(Fill.WHY, Place.TEXT)), (Slot.TOKEN, "b")]
    assert blocks.join(cut, {Fill.WHY: "&"}) == ("a", "&amp;", Slot.TOKEN, "b")


def test_no_two_processes_share_a_nonce(marks):
    assert marks.nonce != Marks().nonce
    assert marks.without(f"a{marks.nonce}b") == "ab"
