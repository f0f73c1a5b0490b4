"""Signatures hold for verifiers of others, and break when anything a reader sees is changed or added."""

import base64
import re
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from dkim import canonicalization
from hypothesis import given, settings, strategies as st

from digest.outbox import dkim, headers, message
from tests.support import verifiers, wirecheck

AT = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
RSA = dkim.Key("example.org", "s1", rsa.generate_private_key(65537, 2048))
ED25519 = dkim.Key("example.org", "s2", ed25519.Ed25519PrivateKey.generate())
SIGNER = dkim.Signer([RSA, ED25519])
PUBLISHED = verifiers.records([RSA, ED25519])
LETTERHEAD = headers.Letterhead(
    sender_name="Mia’s “Feed”",
    sender="mia@example.org",
    reply_to="editor@example.org",
    list_id="feed.example.org",
    list_name="Feed",
    feedback_id="digest:feed:example",
)


def a_mail(name="Léo", subject="Tödäy's  news", page="<p>Hello,  world \t</p>\n\n\n"):
    who = headers.Personal(
        recipient="leo@example.com",
        name=name,
        message_id="<d1@example.org>",
        at=AT,
        unsubscribe_url="https://news.example.org/unsubscribe/" + "7.1.9." * 20,
    )
    return message.prepare([page], ["Hello, world \n\n\n"]).render({}, headers.write(LETTERHEAD, subject, who))


def signed(content=None, signer=SIGNER):
    return signer.seal(content or a_mail(), AT)


def holds(content, published=PUBLISHED):
    """Whether every signature of the mail holds; all verifiers must agree."""
    [found] = verifiers.verdicts([content], published)
    assert found
    return all(found)


def test_both_signatures_hold_rsa_first():
    content = signed()
    assert verifiers.verdicts([content], PUBLISHED) == [[True, True]]
    assert re.findall(rb"a=(\S+);", content) == [b"rsa-sha256", b"ed25519-sha256"]
    assert wirecheck.faults(content) == []


@pytest.mark.parametrize("page", ["", "\n", "\n\n\n", "<p>x</p>", "a  b\t\n \n", ".\n..\nFrom x\n", "é" * 5000])
def test_signatures_hold_however_a_body_ends(page):
    assert holds(signed(a_mail(page=page)))


@pytest.mark.parametrize(
    "added",
    [
        b"Subject: You have won\r\n",
        b"From: Bank <bank@example.com>\r\n",
        b"List-Unsubscribe: <https://evil.example/>\r\n",
        b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
        b"Cc: all@example.com\r\n",
        b"To: all@example.com\r\n",
        b"Reply-To: evil@example.com\r\n",
        b"Sender: evil@example.com\r\n",
        b"Date: Mon, 02 Nov 2026 06:00:01 +0000\r\n",
        b"Content-Type: text/plain\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
        b"Feedback-ID: a:b:c:d\r\n",
        b"CFBL-Address: evil@example.com\r\n",
    ],
)
def test_no_header_that_counts_can_be_added(added):
    content = signed()
    assert not holds(added + content)
    head, _, body = content.partition(b"\r\n\r\n")
    assert not holds(head + b"\r\n" + added + b"\r\n" + body)


def test_what_relays_add_on_the_way_does_no_harm():
    assert holds(b"Received: from a by b; Mon, 02 Nov 2026 06:00:01 +0000\r\nReturn-Path: <>\r\n" + signed())


@pytest.mark.parametrize("part", [b"Hello", b"leo@", b"7.1.9", b"=_", b"t=1793599200", b"d=example"])
def test_nothing_that_is_signed_can_be_changed(part):
    assert not holds(signed().replace(part, part[:-1] + bytes([part[-1] ^ 1])))


def test_two_header_fields_of_one_name_are_both_signed():
    content = signed(b"Cc: a@example.com\r\n" + b"CC:  b@example.com\r\n" + a_mail())
    assert b"cc:cc:cc:" in re.sub(rb"\s", b"", content)
    assert holds(content)


def test_folding_and_white_space_may_change_on_the_way():
    content = signed().replace(b"Subject: ", b"SUBJECT:\t ").replace(b"Reply-To: ", b"Reply-To:\r\n  ")
    assert holds(content)


def test_the_time_is_named_and_no_length():
    [first, _] = wirecheck.unfolded(signed())["dkim-signature"]
    tags = dict(tag.split("=", 1) for tag in first.replace(" ", "").split(";"))
    assert tags["t"] == str(int(AT.timestamp()))
    assert "l" not in tags
    assert tags["c"] == "relaxed/relaxed"
    assert (tags["d"], tags["s"]) == ("example.org", "s1")


def test_signature_lines_are_short_whatever_the_names():
    key = dkim.Key("a" * 60 + ".example.org", "b" * 63 + ".c", RSA.private)
    content = dkim.Signer([key]).seal(a_mail(), AT)
    assert max(map(len, content.partition(b"\r\n\r\n")[0].split(b"\r\n"))) <= 998
    assert holds(content, verifiers.records([key]))


def test_a_body_may_come_in_pieces():
    content = a_mail()
    head, _, body = content.partition(b"\r\n\r\n")
    pieces = [body[start : start + 7] for start in range(0, len(body), 7)]
    assert dkim.Signer([ED25519]).sign(head + b"\r\n", pieces, AT) + content == signed(signer=dkim.Signer([ED25519]))


@pytest.mark.parametrize(
    ("sender", "signs"),
    [
        ("example.org", ["s1", "s2"]),
        ("news.example.org", ["s1", "s2"]),
        ("other.example.org", ["own"]),
        ("deep.other.example.org", ["own"]),
        ("badexample.org", []),
        ("org", []),
    ],
)
def test_keys_of_the_nearest_domain_sign(sender, signs):
    ring = dkim.Keyring([ED25519, RSA, dkim.Key("other.example.org", "own", RSA.private)])
    found = ring.signer(sender)
    assert [key.selector for key in (found.keys if found else ())] == signs


def test_keys_of_one_kind_sign_in_their_order():
    keys = [ED25519, dkim.Key("example.org", "b", RSA.private), dkim.Key("example.org", "a", RSA.private)]
    content = dkim.Signer(keys).seal(a_mail(), AT)
    assert re.findall(rb" s=(\w+);", content) == [b"b", b"a", b"s2"]
    assert verifiers.verdicts([content], verifiers.records(keys)) == [[True, True, True]]


def test_a_key_never_shows():
    assert "private" not in repr(RSA)
    assert re.search("object at|PRIVATE", repr(dkim.Keyring([RSA]).keys)) is None


@settings(max_examples=300)
@given(st.lists(st.text(st.one_of(st.sampled_from(" .=\t\n\r"), st.characters()), max_size=200), max_size=4))
def test_a_body_is_its_own_canonical_form(segments):
    """So its hash needs no canonicalising; somebody else's canonicaliser finds nothing to change."""
    body = message.prepare(segments, segments).render({}, b"").partition(b"\r\n\r\n")[2]
    assert canonicalization.Relaxed.canonicalize_body(body) == body


# RFC 8463 §A.2 and §A.3: keys and a mail signed with both.
VECTOR = b"""\
DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;
 d=football.example.com; i=@football.example.com;
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :
 subject : date : message-id : from : subject : date;
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==
From: Joe SixPack <joe@football.example.com>
To: Suzie Q <suzie@shopping.example.net>
Subject: Is dinner ready?
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)
Message-ID: <20030712040037.46341.5F8J@football.example.com>

Hi.

We lost the game.  Are you hungry yet?

Joe.
""".replace(b"\n", b"\r\n")
VECTOR_PRIVATE = "nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A="
VECTOR_PUBLIC = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="


def test_the_example_of_rfc_8463_is_signed_as_it_stands_there():
    private = ed25519.Ed25519PrivateKey.from_private_bytes(base64.b64decode(VECTOR_PRIVATE))
    key = dkim.Key("football.example.com", "brisbane", private)
    assert verifiers.records([key]) == {
        "brisbane._domainkey.football.example.com": f"v=DKIM1; k=ed25519; p={VECTOR_PUBLIC}"
    }
    head, _, body = VECTOR.partition(b"\r\n\r\n")
    unsigned = re.sub(rb"( b=)[\w+/=\s]+?(?=\r\nFrom)", rb"\1", head)
    fields = dkim.canonical(unsigned)
    places = dict(fields)
    order = [b"from", b"to", b"subject", b"date", b"message-id"]
    data = b"".join(places[name] for name in order) + places[b"dkim-signature"].removesuffix(b"\r\n")
    [wanted] = re.findall(rb" b=([\w+/=\s]+?)\r\nFrom", head)
    assert base64.b64encode(key.sign(data)) == re.sub(rb"\s", b"", wanted)
    assert dkim._body_hash([body.replace(b"  ", b" ")]) == b"2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8="
