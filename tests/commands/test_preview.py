"""Looking at a digest without sending it."""

import email
import email.policy
import re
from pathlib import Path

import pytest

from digest.articles import parse
from tests.support import wirecheck
from tests.support.operator import FEED, SHIPPED, Operator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "previews"


def test_a_preview_is_three_files_of_the_same_digest(operator: Operator, folder: Path) -> None:
    operator.begin()
    answer = operator("preview", "mias-feed", "--out", folder)
    assert answer.code == 0, answer.err
    assert sorted(path.name for path in folder.iterdir()) == ["mias-feed.eml", "mias-feed.html", "mias-feed.txt"]
    content = (folder / "mias-feed.eml").read_bytes()
    assert wirecheck.faults(content) == []
    message = email.message_from_bytes(content, policy=email.policy.default)
    html = message.get_body(("html",))
    assert html is not None
    title = str(message["Subject"]).split(",")[0]
    assert title in (folder / "mias-feed.html").read_text()
    assert "List-Unsubscribe" in message


def test_a_preview_changes_and_sends_nothing(operator: Operator, folder: Path, db_url: str) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-09T05:00:00Z")
    before = operator.everything(db_url)
    mails = sorted((operator.home / "out").iterdir())
    for words in ((), ("--frequency", "daily"), ("--subscriber", "moana.reid@example.org")):
        assert operator("preview", "mias-feed", "--out", folder, *words).code == 0
    assert operator.everything(db_url) == before
    assert sorted((operator.home / "out").iterdir()) == mails


def test_a_reader_sees_what_the_next_digest_would_bring(operator: Operator, folder: Path) -> None:
    operator.begin()
    operator("preview", "mias-feed", "--out", folder, "--subscriber", "rafael.souza@example.com")
    text = (folder / "mias-feed.txt").read_text()
    waiting = operator("explain", "mias-feed", "rafael.souza@example.com", "--json").document["waiting"]
    flat = " ".join(text.split())
    assert waiting["count"] > 0
    assert all(" ".join(title.split()) in flat for title in waiting["titles"])


def test_with_nothing_waiting_the_newest_are_shown_and_it_is_said(operator: Operator, folder: Path) -> None:
    operator.begin()
    operator("run", "--now", "2026-11-17T00:00:00Z")
    answer = operator("preview", "mias-feed", "--out", folder, "--subscriber", "anna.berg@example.org")
    assert answer.code == 0
    assert "nothing new waits" in answer.complaint


def test_the_links_of_a_preview_lead_nowhere(operator: Operator, folder: Path) -> None:
    operator.begin()
    operator("preview", "mias-feed", "--out", folder, "--subscriber", "anna.berg@example.org")
    assert b"/unsubscribe/0.0.0." in (folder / "mias-feed.eml").read_bytes()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--frequency", "hourly"), "hourly"),
        (("--subscriber", "nobody@example.org"), "never subscribed"),
        (("--subscriber", "nobody"), "not a usable e-mail address"),
        (("--layout", "tabloid"), "there are: "),
        (("--locale", "klingon"), "write it like en or de-AT"),
        (("--notice", "eviction"), "there are: confirm"),
    ],
)
def test_whom_or_what_there_is_not(operator: Operator, folder: Path, words: tuple[str, ...], complaint: str) -> None:
    operator.begin()
    answer = operator("preview", "mias-feed", "--out", folder, *words)
    assert answer.code == 2
    assert complaint in answer.complaint
    assert not folder.exists()


def test_without_an_article_there_is_nothing_to_see(operator: Operator, folder: Path) -> None:
    operator("apply", SHIPPED / "publications" / "mias-feed.toml")
    answer = operator("preview", "mias-feed", "--out", folder)
    assert answer.code == 2
    assert "digest ingest mias-feed" in answer.complaint


def test_a_notice_is_shown_as_it_would_be_sent(operator: Operator, folder: Path) -> None:
    operator.begin()
    assert operator("preview", "mias-feed", "--out", folder, "--notice", "welcome").code == 0
    content = (folder / "mias-feed-welcome.eml").read_bytes()
    assert wirecheck.faults(content) == []
    assert b"List-Id" not in content


@pytest.mark.parametrize(("locale", "direction"), [("ar", "rtl"), ("de-AT", "ltr")])
def test_a_language_turns_the_page(operator: Operator, folder: Path, locale: str, direction: str) -> None:
    operator.begin()
    assert operator("preview", "mias-feed", "--out", folder, "--locale", locale).code == 0
    html = (folder / f"mias-feed-{locale}.html").read_text()
    assert re.search(rf'<html[^>]*\blang="{locale}"[^>]*\bdir="{direction}"', html)


def test_as_it_happens_one_article_is_shown(operator: Operator, folder: Path) -> None:
    operator.begin()
    assert operator("preview", "mias-feed", "--out", folder, "--frequency", "instant").code == 0
    text = " ".join((folder / "mias-feed-instant.txt").read_text().split())
    stories = parse.read(FEED.read_bytes(), url="https://feed.example/").entries
    assert len([story for story in stories if story.standfirst in text]) == 1
