"""Whole mails: prepared once, joined per reader, read back by an independent parser."""

import email
import email.policy
import enum
import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings, strategies as st

from digest.outbox import headers, message
from tests.support import wirecheck


class Slot(enum.StrEnum):
    TOKEN = "token"
    NAME = "name"


HTML = ["<p>Dear ", Slot.NAME, ',</p>\n<a href="https://x.example/m/', Slot.TOKEN, '">leave</a>', "<p>End</p>\n"]
TEXT = [
    "Dear ",
    Slot.NAME,
    ",\n\n.starts with a dot\nFrom here\nLeave: https://x.example/m/",
    Slot.TOKEN,
    "\n-- \nus\n",
]
SEGMENTS = st.lists(st.one_of(st.text(max_size=200), st.sampled_from(Slot)), max_size=6)


def a_header() -> bytes:
    letterhead = headers.Letterhead(sender_name="Mia", sender="mia@example.org")
    personal = headers.Personal(
        recipient="leo@example.com", message_id="<d1@example.org>", at=datetime(2026, 3, 1, tzinfo=UTC)
    )
    return headers.write(letterhead, "Today", personal)


def read(content: bytes) -> tuple[str, str]:
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    assert not parsed.defects
    assert parsed.get_content_type() == "multipart/alternative"
    text, page = parsed.iter_parts()
    assert not text.defects
    assert not page.defects
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    assert (text.get_content_charset(), page.get_content_charset()) == ("utf-8", "utf-8")
    return text.get_content().replace("\r\n", "\n"), page.get_content().replace("\r\n", "\n")


def test_a_mail_is_joined_from_shared_pieces_and_a_readers_own_words():
    content = message.prepare(HTML, TEXT).render({Slot.TOKEN: "7.1.9.sig", Slot.NAME: "Léo"}, a_header())
    assert wirecheck.faults(content) == []
    text, page = read(content)
    assert page.rstrip("\n") == '<p>Dear Léo,</p>\n<a href="https://x.example/m/7.1.9.sig">leave</a><p>End</p>'
    assert text.rstrip("\n") == (
        "Dear Léo,\n\n.starts with a dot\nFrom here\nLeave: https://x.example/m/7.1.9.sig\n-- \nus"
    )


def test_values_are_escaped_in_html_only():
    content = message.prepare(HTML, TEXT).render({Slot.TOKEN: "t", Slot.NAME: '<b>"A & B"</b>'}, a_header())
    text, page = read(content)
    assert "Dear &lt;b&gt;&quot;A &amp; B&quot;&lt;/b&gt;,</p>" in page
    assert 'Dear <b>"A & B"</b>,' in text


@settings(max_examples=300)
@given(SEGMENTS, SEGMENTS, st.text(max_size=100), st.text(max_size=100))
def test_any_segments_and_values_give_a_clean_mail(page, text, token, name):
    content = message.prepare(page, text).render({Slot.TOKEN: token, Slot.NAME: name}, a_header())
    assert wirecheck.faults(content) == []
    read(content)


@pytest.mark.parametrize(
    "segments", [[], [""], ["\n"], [Slot.NAME], [Slot.NAME, "\n"], ["end"], ["end", ""], ["a\n\n"]]
)
def test_a_part_may_end_in_any_way(segments):
    content = message.prepare(segments, segments).render({Slot.NAME: "Mia"}, a_header())
    assert wirecheck.faults(content) == []
    expected = "".join("Mia" if segment is Slot.NAME else segment for segment in segments).rstrip("\n")
    assert [part.rstrip("\n") for part in read(content)] == [expected, expected]


def test_a_body_cannot_end_its_part():
    first = message.prepare(["<p>x</p>"], ["x"])
    boundary = first.pieces[0].partition(b'boundary="')[2].partition(b'"')[0].decode()
    content = message.prepare([f"--{boundary}\n--{boundary}--\n"], [f"\n--{boundary}--\n"]).render({}, a_header())
    text, page = read(content)
    assert f"--{boundary}--" in text
    assert f"--{boundary}--" in page


def test_the_same_variant_gives_the_same_bytes():
    one, other = message.prepare(HTML, TEXT), message.prepare(list(HTML), list(TEXT))
    values = {Slot.TOKEN: "t", Slot.NAME: "n"}
    assert hashlib.sha256(one.render(values, b"")).digest() == hashlib.sha256(other.render(values, b"")).digest()
    assert message.prepare([*HTML, "!"], TEXT).render(values, b"") != one.render(values, b"")


def test_shared_pieces_are_not_copied_per_variant():
    block = "<p>" + "long " * 500 + "</p>\n"
    one, other = message.prepare(["a\n", block], ["x"]), message.prepare(["b\n", block], ["y"])
    assert any(piece is theirs for piece in one.pieces for theirs in other.pieces if isinstance(piece, bytes))


def test_a_missing_value_is_a_bug_and_rises():
    with pytest.raises(KeyError):
        message.prepare(HTML, TEXT).render({Slot.NAME: "x"}, a_header())
