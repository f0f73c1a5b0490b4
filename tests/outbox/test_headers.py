"""Header lines read back by an independent parser, whatever a name, a subject or an address holds."""

import email
import email.policy
import email.utils
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings, strategies as st

from digest import addresses
from digest.outbox import headers, words
from tests.support import wirecheck

AT = datetime(2026, 3, 1, 7, 30, tzinfo=UTC)
URL = "https://news.example.org/m/qglj.1.1msvw8.xrA2OWUdW7Uw2REdg3JM51FAXBiXhwdK1rVKsbeOIsc/unsubscribe"
LETTERHEAD = headers.Letterhead(
    sender_name="Mia’s Feed",
    sender="mia@news.example.org",
    reply_to="editors@news.example.org",
    list_id="mias-feed.news.example.org",
    list_name="Mia's Feed",
    help_url="https://news.example.org/help",
    archive_url="https://news.example.org/archive",
    feedback_id="daily:mias-feed:digest:examplenews",
)
HOSTILE = [
    "",
    " ",
    "Mia",
    "Mia Berg",
    "Dr. Mia (staff)",
    "Berg, Mia",
    'Mia "the pen" Berg',
    "back\\slash",
    "a@x.example, b@y.example",
    "Mia <evil@example.com>",
    "=?utf-8?q?fake?=",
    "Mia\r\nBcc: all@example.com",
    "Mia\nX-Evil: 1\n\nbody",
    "Mia\x00\x0b\x85\u2028\u2029Berg",
    "\u202egnp.exe",
    "\ud800lone",
    "Łukasz Żółć",
    "محمد عبد الله",
    "山田 太郎",
    "👩‍👩‍👧‍👦 family 👍🏽",
    "e\u0301" * 60,
    "x" * 2000,
    "word " * 500,
    '"' * 200,
    "é" * 2000,
    "undisclosed-recipients:;",
]
ANY_TEXT = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=200))


def a_mail(subject="Today", name="", **personal) -> bytes:
    given_values = {"recipient": "leo@example.com", "message_id": "<d1.abc@news.example.org>", "at": AT, **personal}
    who = headers.Personal(name=name, **given_values)
    return headers.write(LETTERHEAD, subject, who) + b"MIME-Version: 1.0\r\n\r\nx\r\n"


def test_a_digest_has_each_header_once_as_it_should_be():
    found = wirecheck.unfolded(a_mail("What is new", "Leo Berg", unsubscribe_url=URL))
    assert found == {
        "from": ["=?utf-8?b?TWlh4oCZcyBGZWVk?= <mia@news.example.org>"],
        "subject": ["What is new"],
        "auto-submitted": ["auto-generated"],
        "x-auto-response-suppress": ["OOF, AutoReply"],
        "reply-to": ["editors@news.example.org"],
        "list-id": ["Mia's Feed <mias-feed.news.example.org>"],
        "list-post": ["NO"],
        "precedence": ["bulk"],
        "list-help": ["<https://news.example.org/help>"],
        "list-archive": ["<https://news.example.org/archive>"],
        "feedback-id": ["daily:mias-feed:digest:examplenews"],
        "to": ["Leo Berg <leo@example.com>"],
        "date": ["Sun, 01 Mar 2026 07:30:00 +0000"],
        "message-id": ["<d1.abc@news.example.org>"],
        "list-unsubscribe": [f"<{URL}>"],
        "list-unsubscribe-post": ["List-Unsubscribe=One-Click"],
        "mime-version": ["1.0"],
    }


def test_a_notice_is_no_list_mail():
    letterhead = headers.Letterhead(sender_name="Mia", sender="mia@example.org")
    who = headers.Personal(recipient="leo@example.com", message_id="<d1@example.org>", at=AT)
    names = set(wirecheck.unfolded(headers.write(letterhead, "Please confirm", who)[:-2] + b"\r\n\r\n"))
    assert names == {"from", "subject", "auto-submitted", "x-auto-response-suppress", "to", "date", "message-id"}


def test_a_mailto_way_out_follows_the_https_one():
    found = wirecheck.unfolded(a_mail(unsubscribe_url=URL, unsubscribe_mailto="leave+tok@news.example.org"))
    assert found["list-unsubscribe"] == [f"<{URL}>, <mailto:leave+tok@news.example.org>"]


def test_no_mailto_alone_and_no_one_click_without_a_url():
    found = wirecheck.unfolded(a_mail(unsubscribe_mailto="leave+tok@news.example.org"))
    assert "list-unsubscribe" not in found
    assert "list-unsubscribe-post" not in found


def test_a_list_name_beyond_ascii_is_left_off():
    letterhead = headers.Letterhead(sender_name="É", sender="a@example.org", list_id="e.example.org", list_name="É")
    who = headers.Personal(recipient="leo@example.com", message_id="<d1@example.org>", at=AT)
    assert b"\r\nList-Id: <e.example.org>\r\n" in headers.write(letterhead, "x", who)


@pytest.mark.parametrize("name", ["=?utf-8?b?QmNj?=", "a" * 70])
def test_a_list_name_that_would_be_encoded_is_left_off(name):
    letterhead = headers.Letterhead(sender_name="É", sender="a@example.org", list_id="e.example.org", list_name=name)
    who = headers.Personal(recipient="leo@example.com", message_id="<d1@example.org>", at=AT)
    assert b"\r\nList-Id: <e.example.org>\r\n" in headers.write(letterhead, "x", who)


def test_a_long_unsubscribe_url_is_neither_encoded_nor_cut():
    url = "https://news.example.org/" + "a" * 900
    found = a_mail(unsubscribe_url=url)
    assert wirecheck.faults(found) == []
    assert wirecheck.unfolded(found)["list-unsubscribe"] == [f"<{url}>"]


@settings(max_examples=300)
@given(subject=ANY_TEXT, name=ANY_TEXT)
@example(subject="a" * 61, name="b" * 61)
def test_any_subject_and_name_give_a_clean_header(subject, name):
    content = a_mail(subject, name, unsubscribe_url=URL)
    assert wirecheck.faults(content) == []
    found = wirecheck.unfolded(content)
    assert wirecheck.decoded(found["subject"][0]) == words.clean(subject)[: words.SUBJECT_LIMIT].strip()


@settings(max_examples=300)
@given(name=ANY_TEXT)
def test_any_name_reads_back_as_one_reader(name):
    parsed = email.message_from_bytes(a_mail(name=name), policy=email.policy.default)
    assert not parsed.defects
    (to,) = parsed["To"].addresses
    assert to.addr_spec == "leo@example.com"
    assert parsed.get_content() == "x\r\n"
    assert set(parsed.keys()).isdisjoint({"Bcc", "X-Evil"})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_keep_what_can_be_seen(name):
    (value,) = wirecheck.unfolded(a_mail(name=name))["to"]
    found, address = email.utils.parseaddr(value)
    assert wirecheck.decoded(found) == words.clean(name)[: words.NAME_LIMIT].strip()
    assert address == "leo@example.com"


@pytest.mark.parametrize("subject", [each for each in HOSTILE if each.strip()])
def test_hostile_subjects_keep_what_can_be_seen(subject):
    parsed = email.message_from_bytes(a_mail(subject), policy=email.policy.default)
    assert parsed["Subject"] == words.clean(subject)[: words.SUBJECT_LIMIT].strip()


@given(st.emails())
def test_any_address_we_accept_stands_in_to(text):
    try:
        address = addresses.parse(text)
    except addresses.AddressError:
        return
    content = a_mail(name="Leo", recipient=address.wire)
    assert wirecheck.faults(content) == []
    assert wirecheck.unfolded(content)["to"] == [f"Leo <{address.wire}>"]


def test_only_the_local_part_may_be_beyond_ascii():
    content = a_mail(recipient=addresses.parse("jörg@bücher.example").wire)
    assert "To: <jörg@xn--bcher-kva.example>\r\n".encode() in content
    assert wirecheck.faults(content, utf8_to=True) == []


@pytest.mark.parametrize(
    "personal",
    [
        {"recipient": ""},
        {"recipient": "leo@example.com>\r\nBcc: <all@example.com"},
        {"recipient": "leo@example.com, all@example.com"},
        {"unsubscribe_url": "https://x.example/\r\nX-Evil: 1"},
        {"unsubscribe_url": "https://x.example/a b"},
        {"unsubscribe_url": "https://bücher.example/"},
        {"unsubscribe_url": "https://x.example/>,<mailto:evil@example.com"},
        {"unsubscribe_url": "https://x.example/" + "a" * 1000},
        {"message_id": "<a b@x>"},
        {"message_id": "<a@x>\n"},
    ],
)
def test_broken_addresses_and_urls_are_refused(personal):
    with pytest.raises(headers.HeaderError):
        a_mail(**{"unsubscribe_url": URL, **personal})


def test_a_message_id_is_the_same_for_every_try_and_differs_between_installations():
    ours = headers.message_id(98765432, instance="press-1", domain="news.example.org")
    assert ours == headers.message_id(98765432, instance="press-1", domain="news.example.org")
    assert ours != headers.message_id(98765432, instance="staging", domain="news.example.org")
    assert ours.startswith("<d1msvw8.")
    assert ours.endswith("@news.example.org>")
