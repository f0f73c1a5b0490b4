"""No mail of ours has an error: every layout and notice, in every language there is, with whatever feeds may bring."""

import asyncio
import dataclasses
from types import SimpleNamespace
from typing import Any

import pytest
from babel import localedata

from digest import addresses, links, templating
from digest.editions import choose, compose, typeset
from digest.lint import whole
from digest.outbox import dkim, manners, writer
from tests.support import cast, stories

TEMPLATES = templating.data_dir("templates") / "email"
CATALOGUES = templating.data_dir("templates") / "locale"
# Those there are catalogues for, and two whose direction or letters alone may break something.
SPOKEN = sorted(folder.name for folder in CATALOGUES.iterdir() if folder.is_dir()) if CATALOGUES.is_dir() else []
LANGUAGES = sorted({"en", "ar", "he", *(name for name in SPOKEN if localedata.exists(name))})
LONG = "Ein sehr langer Titel über Ärzte & Pflege, der kein Ende findet " * 5
PICTURE = {"image_url": "https://news.example.net/1.jpg", "image_width": 1200, "image_height": 675}
CONTENTS = {
    "one": [stories.LEAD],
    "one without anything": [stories.BARE],
    "odd ones": list(stories.CAST),
    "sixty": [stories.a_story(number, **PICTURE) for number in range(1, 61)],
    "endless": [
        stories.a_story(number, title=f"{number} {LONG}", standfirst=LONG * 20, author=LONG, source=LONG, **PICTURE)
        for number in range(1, 61)
    ],
    "from right to left": [dataclasses.replace(stories.HEBREW, id=number, **PICTURE) for number in range(1, 6)],
}
# A title that really says "<b>" is text, and nothing tells it from a template gone wrong.
MEANT = {"odd ones": {"markup-in-text"}}
COLOURS = [
    {},
    {"accent": "#ffe600", "background": "#ffffff", "text": "#cccccc"},
    {"accent": "#330033", "background": "#101010", "text": "#222222"},
]


@pytest.fixture(scope="module")
def scribe() -> writer.Writer:
    key = dkim.Key("example.org", "s", dkim_key())
    imprint = writer.Imprint("https://news.example.org", "stamp", "sender-id", dkim.Keyring([key]))
    return writer.Writer(None, compose.Composer(), links.Signer(cast.KEYS), imprint)  # type: ignore[arg-type]


def dkim_key() -> Any:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(65537, 2048)


def sent(scribe: writer.Writer, ready: writer.Ready, kind: str) -> bytes:
    address = addresses.parse("anna@example.net")
    row = SimpleNamespace(
        id=77,
        email=address.spelling,
        address_key=address.key,
        name="Anna Ångström",
        kind=kind,
        subscription_id=5,
        reader_generation=1,
        address_change_id=3,
    )
    return scribe.letter(ready, row, cast.NOW).content


def faults(content: bytes) -> list[tuple[str, str, str]]:
    return [(one.rule, one.where, one.what) for one in whole.errors(content)]


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("layout", typeset.layouts(TEMPLATES))
def test_no_digest_has_an_error(scribe, layout, locale, content):
    told = CONTENTS[content]
    spec = cast.a_spec(layout=layout, locale=locale, colours=COLOURS[len(content) % 3])
    picks = tuple(choose.Pick(story.id, ("heart", "sleep", None)[story.id % 3]) for story in told)
    chosen = choose.Chosen(picks[:30], picks[30:], (901, 902) if len(told) > 1 else ())
    frequency = "instant" if len(told) == 1 else "weekly"
    facts = dataclasses.replace(stories.WEEKLY, frequency=frequency)
    _, variant = scribe.fitted(spec, locale, told, chosen, facts)
    found = faults(sent(scribe, scribe.proof(spec, variant), "digest"))
    assert [fault for fault in found if fault[0] not in MEANT.get(content, set())] == []


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("kind", typeset.NOTICES)
def test_no_notice_has_an_error(scribe, kind, locale):
    for number, colours in enumerate(COLOURS):
        spec = cast.a_spec(locale=locale, colours=colours)
        shelf: Any = SimpleNamespace(publication_id=number, revision=0, spec=spec)
        order = writer.Order.notice(shelf, kind, stories.WEEKLY, manners.Manner(locale))
        ready = asyncio.run(scribe.prepared({order.key: order}))[order.key]
        assert faults(sent(scribe, ready, kind)) == []
