"""Every mail the writer makes, of hostile publications to hostile readers, is right to the last byte.

Each is composed, joined and signed as for a relay, then read by a strict grammar of our own, by Python's parser, by
Perl's, and by all verifiers of signatures.
"""

import asyncio
import dataclasses
import email
import email.policy
import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from digest import addresses, links, publications, templating
from digest.editions import choose, compose, typeset
from digest.outbox import dkim, manners, words, writer
from tests.support import cast, grammar, stories, verifiers, wirecheck

AT = datetime(2026, 11, 2, 6, 0, tzinfo=UTC)
TEMPLATES = templating.data_dir("templates") / "email"
LAYOUTS = typeset.layouts(TEMPLATES)
KINDS = ("digest", *typeset.NOTICES)
PRIVATE = rsa.generate_private_key(65537, 2048)
DOMAINS = ("example.org", "news.example", "xn--bcher-kva.example")
KEYS = [
    *(dkim.Key(domain, "s", PRIVATE) for domain in DOMAINS),
    dkim.Key("example.org", "e", ed25519.Ed25519PrivateKey.generate()),
]
NAMES = [
    "",
    "Leo",
    "Léonie Ångström-Weiß",
    "ليلى بنت محمد",
    "מירי \u202eevil\u202c כהן",
    "👩🏽‍⚕️ Dr. 🫀 " * 20,
    'Leo "the Lion" \\ König',
    "Leo <evil@example.com>, Bcc: all@example.com;",
    "Leo\r\nBcc: all@example.com\r\n\r\n<h1>X-Evil: 1</h1>",
    "Leo\x00\x07\x1b[31m\x7f\x85\u2028\u2029",
    "=?utf-8?q?Bcc=3A_all=40example=2Ecom?=",
    "a" * 500,
    "word " * 100,
    "e\u0301\u0308" * 60,
    "\ud800\udfff",
    " \t  \u00a0 ",
    "@",
    "(comment) [1.2.3.4] 'x' .dot.",
]
ADDRESSES = [
    "leo@example.com",
    "Leo.O'Brien+tag=x/y!#$%&*-?^_`{|}~@Sub.Example.COM",
    "l" * 64 + "@" + ".".join(["d" * 58] * 3) + ".example",
    "leo@bücher.example",
    "leo@例え.テスト",
    "jörg@example.com",
    "用户@例え.テスト",
    "ליאו@bücher.example",
    "e\u0301@example.com",
    "1@2.example",
]
LONG = "Publication of the Honourable and Worshipful Company of Extraordinarily Long-Winded Newsletter Makers " * 2
PUBLICATIONS: list[dict[str, Any]] = [
    {},
    {"name": LONG[:200], "sender_name": LONG[:200], "slug": "s" * 63, "sender_address": "n" * 64 + "@news.example"},
    {
        "name": "כל החדשות 👩🏽‍⚕️",
        "sender_name": "מירי, עורכת <x@y.example>",
        "locale": "he",
        "reply_to": "miri@bücher.example",
    },
    {
        "name": "Die Bücher",
        "sender_address": "redaktion@bücher.example",
        "locale": "de",
        "base_url": "https://bücher.example/ä",
    },
    {
        "name": "A \x7f\x85\u2028Bcc: all\u202e",
        "sender_name": '"quoted" \\ =?utf-8?q?Bcc?=',
        "postal_address": ".\r\n.\rBcc: x",
    },
    {
        "name": "=?utf-8?b?QmNj?=",
        "sender_name": "a" * 200,
        "locale": "ar",
        "tagline": "  two  spaces \t",
        "base_url": "https://x.example/" + "p" * 150,
    },
]
STORIES = [
    (stories.HOSTILE, None),
    (stories.ENDLESS, "heart"),
    (stories.HEBREW, None),
    (stories.EMOJI, "sleep"),
    (stories.LEAD, None),
]


@dataclasses.dataclass(frozen=True)
class Made:
    """A mail, and what must be read in it."""

    content: bytes
    envelope: str
    name: str
    address: addresses.EmailAddress
    sender: tuple[str, str]
    subject: str

    @property
    def utf8_to(self) -> bool:
        return self.address.needs_smtputf8


@pytest.fixture(scope="module")
def scribe() -> writer.Writer:
    imprint = writer.Imprint("https://news.example.org", "stamp", "sender-id", dkim.Keyring(KEYS))
    # Nothing here is read from a database: what to tell is given.
    return writer.Writer(None, compose.Composer(), links.Signer(cast.KEYS), imprint)  # type: ignore[arg-type]


def ready(scribe: writer.Writer, kind: str, number: int, spec: publications.Spec) -> writer.Ready:
    if kind != "digest":
        shelf: Any = SimpleNamespace(publication_id=number, revision=0, spec=spec)
        order = writer.Order.notice(shelf, kind, stories.WEEKLY, manners.Manner(spec.locale))
        return asyncio.run(scribe.prepared({order.key: order}))[order.key]
    # Each leads one Publication's digest, and so gives it its subject.
    told = [*STORIES[number:], *STORIES[:number]]
    chosen = choose.Chosen(
        full=tuple(choose.Pick(story.id, topic) for story, topic in told[:3]),
        links=tuple(choose.Pick(story.id, topic) for story, topic in told[3:]),
        more=(1, 2),
    )
    variant = scribe.composed(spec, spec.locale, [story for story, _ in told], chosen, stories.WEEKLY)
    return scribe.proof(spec, variant)


def mails(scribe: writer.Writer, kind: str, layout: str) -> Iterator[Made]:
    for number, changes in enumerate(PUBLICATIONS):
        spec = cast.a_spec(layout=layout, **changes)
        prepared = ready(scribe, kind, number, spec)
        sender = (shown(spec.sender_name, words.NAME_LIMIT), addresses.parse(spec.sender_address).wire)
        for id_, (name, address) in enumerate(zip(NAMES, itertools.cycle(ADDRESSES), strict=False)):
            row = SimpleNamespace(
                id=10**id_,
                email=address,
                address_key=addresses.parse(address).key,
                name=name,
                kind=kind,
                subscription_id=7**id_,
                reader_generation=id_,
                address_change_id=9**id_,
            )
            letter = scribe.letter(prepared, row, AT)
            subject = shown(prepared.subject, words.SUBJECT_LIMIT)
            who = shown(name, words.NAME_LIMIT), addresses.parse(address)
            yield Made(letter.content, letter.sender, *who, sender, subject)


def shown(text: str, limit: int) -> str:
    return words.clean(text)[:limit].strip()


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_mail_is_right(scribe: writer.Writer, kind: str, layout: str) -> None:
    made = list(mails(scribe, kind, layout))
    assert len(made) == len(PUBLICATIONS) * len(NAMES)
    for mail in made:
        assert grammar.faults(mail.content, utf8_to=mail.utf8_to) == []
        follows_the_rules_of_lists(mail.content, kind)
        # Nobody reads bounces yet, so the envelope names the sender as it is. What asks for mail is beyond the grammar.
        assert mail.envelope == mail.sender[1]
        reads_the_same_in_python(mail)
    if verifiers.are_there():
        for mail, found in zip(made, verifiers.read([mail.content for mail in made]), strict=True):
            reads_the_same_in_perl(mail, found)
    held = verifiers.verdicts([mail.content for mail in made], verifiers.records(KEYS))
    assert [len(each) for each in held] == [len(grammar.signed(mail.content)) for mail in made]
    assert all(all(each) and each for each in held)


def follows_the_rules_of_lists(content: bytes, kind: str) -> None:
    """RFC 8058, RFC 2919: a digest is of a list, and whoever may leave can do so by one click, which is signed."""
    names = set(wirecheck.unfolded(content))
    assert (names & grammar.LIST == grammar.LIST) is (kind == "digest")
    assert (names & grammar.ONE_CLICK == grammar.ONE_CLICK) is (kind in writer.LEAVABLE)
    assert all(set(tags["h"].split(":")) >= grammar.ONE_CLICK for tags in grammar.signed(content))


def reads_the_same_in_python(mail: Made) -> None:
    parsed = email.message_from_string(mail.content.decode(), policy=email.policy.SMTPUTF8)
    assert not parsed.defects
    assert parsed["Subject"] == mail.subject
    [to], [sender] = parsed["To"].addresses, parsed["From"].addresses
    assert (to.addr_spec, sender.addr_spec) == (mail.address.wire, mail.sender[1])
    # CPython leaves the space between the encoded-words of a name, which RFC 2047 §6.2 takes out; Perl does it right.
    assert (without_space(to.display_name), without_space(sender.display_name)) == (
        without_space(mail.name),
        without_space(mail.sender[0]),
    )
    texts = [part.get_content() for part in parsed.iter_parts()]
    assert [text.replace("\r\n", "\n") for text in texts] == list(grammar.parts(mail.content).values())


def without_space(text: str) -> str:
    return "".join(text.split())


def reads_the_same_in_perl(mail: Made, found: dict[str, Any]) -> None:
    assert sorted(found["names"]) == sorted(set(wirecheck.unfolded(mail.content)))
    assert found["subject"] == mail.subject
    assert found["to"] == [[mail.name or None, mail.address.wire]]
    assert found["from"] == [list(mail.sender)]
    assert [part["type"] for part in found["parts"]] == ["text/plain; charset=utf-8", "text/html; charset=utf-8"]
    texts = [part["text"].replace("\r\n", "\n") for part in found["parts"]]
    assert texts == list(grammar.parts(mail.content).values())
