"""One sound mail, and what is found when it is spoiled in one place."""

import dataclasses

import pytest

from digest.lint import letter, whole
from digest.lint.finding import Severity
from tests.lint.sound import HTML, LEAVE, TEXT, Mail

SOUND = Mail()
LONG_PAGE = "<p style='color:#1d2528' class='text'>Much more of it, and then some. </p>\n"


def spoiled(change) -> bytes:
    made = change(SOUND)
    return made if isinstance(made, bytes) else made.bytes()


def raw(old: bytes, new: bytes):
    def change(mail: Mail) -> bytes:
        content = mail.bytes()
        assert old in content
        return content.replace(old, new, 1)

    return change


# Each fault, the rule that must find it, and nothing but that rule may.
FAULTS = [
    ("bare-line-end", raw(b"in a sentence.", b"in a sen\ntence.")),
    ("long-line", lambda m: m.also("X-Long", "a " * 500)),
    ("nul", raw(b"in a sentence.", b"in a sente\x00ce.")),
    ("eight-bit", raw(b"in a sentence.", "in a sentenü.".encode())),
    ("eight-bit-header", lambda m: m.saying("To", "Jörg <anna@example.net>")),
    ("no-text-part", lambda m: dataclasses.replace(m, kinds=("html",))),
    ("no-html-part", lambda m: dataclasses.replace(m, kinds=("plain",))),
    ("part-order", lambda m: dataclasses.replace(m, kinds=("html", "plain"))),
    ("broken-part", raw(b"charset=utf-8", b"charset=nonsense")),
    ("torn-escape", raw(b"in a sentence.", b"in a=sentence.")),
    ("long-quoted-line", raw(b"in a sentence.", b"in a sentence " + b"x" * 80)),
    ("trailing-space", raw(b"</table>\r\n", b"</table> \r\n")),
    ("odd-header", raw(b"\r\n\r\n", b"\r\nOdd header\r\n\r\n")),
    ("encoded-word-place", lambda m: m.saying("List-Id", "=?utf-8?q?M=C3=BC?= <mias-feed.example.org>")),
    ("encoded-word", lambda m: m.saying("Subject", "=?utf-8?q?" + "a" * 70 + "?=")),
    ("twice", lambda m: m.also("Subject", "Another")),
    ("missing", lambda m: m.without("Date")),
    ("auto-submitted", lambda m: m.without("Auto-Submitted")),
    ("several-senders", lambda m: m.saying("From", "a@example.org, b@example.org")),
    ("bad-address", lambda m: m.saying("To", "Anna <anna at example.net>")),
    ("bad-date", lambda m: m.saying("Date", "yesterday")),
    ("wrong-weekday", lambda m: m.saying("Date", "Tue, 02 Nov 2026 06:00:00 +0000")),
    ("bad-message-id", lambda m: m.saying("Message-ID", "d9x@example.org")),
    ("foreign-message-id", lambda m: m.saying("Message-ID", "<d9x@example.com>")),
    ("no-subject", lambda m: m.saying("Subject", "")),
    ("long-subject", lambda m: m.saying("Subject", "word " * 16)),
    ("fake-reply", lambda m: m.saying("Subject", "Re: your question")),
    ("no-way-out", lambda m: m.without("List-Unsubscribe").without("List-Unsubscribe-Post")),
    ("way-out-not-https", lambda m: m.saying("List-Unsubscribe", f"<mailto:leave@example.org>, <{LEAVE}>")),
    ("no-one-click", lambda m: m.without("List-Unsubscribe-Post")),
    ("from-unsigned", lambda m: m.saying("DKIM-Signature", "v=1; a=x; h=list-unsubscribe:list-unsubscribe-post; b=A")),
    ("way-out-unsigned", lambda m: m.saying("DKIM-Signature", "v=1; a=x; h=from:list-unsubscribe; b=A")),
    (
        "signed-in-part",
        lambda m: m.saying("DKIM-Signature", "v=1; a=x; l=9; h=from:list-unsubscribe:list-unsubscribe-post; b=A"),
    ),
    ("too-large", lambda m: m.page("<table", LONG_PAGE * 1300 + "<table")),
    ("no-doctype", lambda m: m.page("<!DOCTYPE html>\n", "")),
    ("no-title", lambda m: m.page("<title>A walk after dinner, and 3 more stories</title>", "")),
    ("no-lang", lambda m: m.page('<html lang="en" dir', "<html dir")),
    ("no-dir", lambda m: m.page('<html lang="en" dir="ltr"', '<html lang="en"')),
    ("no-lang-inside", lambda m: m.page('class="card" lang="en"', 'class="card"')),
    ("no-dir-inside", lambda m: m.page('lang="en" dir="ltr" style', 'lang="en" style')),
    ("no-viewport", lambda m: m.page('<meta name="viewport" content="width=device-width, initial-scale=1">\n', "")),
    ("no-color-scheme", lambda m: m.page('<meta name="color-scheme" content="light dark">\n', "")),
    ("one-h1", lambda m: m.page("<h1", '<h1 class="text" style="color:#1d2528">Another</h1><h1')),
    ("heading-order", lambda m: m.page("<h2", "<h3").page("</h2>", "</h3>")),
    ("empty-heading", lambda m: m.page("<h2", "<h2> </h2><h2")),
    ("no-alt", lambda m: m.page(' alt="Two people walking"', "")),
    ("no-width", lambda m: m.page(' width="536"', "")),
    ("no-height", lambda m: m.page(' height="300"', "")),
    ("beacon", lambda m: m.page("<table", '<img src="https://a.example/o" alt="" width="1" height="1"><table')),
    ("image-address", lambda m: m.page('src="https://news.example.org/walk.jpg"', 'src="/walk.jpg"')),
    ("image-not-https", lambda m: m.page('src="https:', 'src="http:')),
    ("table-role", lambda m: m.page(' role="presentation"', "")),
    ("forbidden", lambda m: m.page("<table", "<script>1</script><table")),
    ("handler", lambda m: m.page("<table", '<table onclick="x()"')),
    ("same-id", lambda m: m.page("<h1", '<h1 id="a"').page("<h2", '<h2 id="a"')),
    ("style-place", lambda m: m.page("<table", "<style>p { margin: 0 }</style><table")),
    ("broken-html", lambda m: m.page("</td>", "</b></td>")),
    ("no-opening", lambda m: m.page("4 new stories, led by “A walk after dinner”.\n", "Hello ")),
    ("no-target", lambda m: m.page("<table", '<a class="text" style="color:#1d2528">Nowhere</a><table')),
    ("dangerous-link", lambda m: m.page(' href="https://news.example.org/walk', ' href="javascript:walk')),
    (
        "link-not-https",
        lambda m: m.page('href="https://news', 'href="http://news').plain("https://news", "http://news"),
    ),
    (
        "relative-link",
        lambda m: m.page("<table", '<a class="text" href="/a" style="color:#1d2528">Some place</a><table'),
    ),
    ("silent-link", lambda m: m.page("<table", f'<a href="{LEAVE}"></a><table')),
    ("vague-link", lambda m: m.page(">Unsubscribe<", ">Click here<")),
    ("no-visible-way-out", lambda m: m.page(f'href="{LEAVE}"', 'href="https://news.example.org/walk?a=1&amp;b=2"')),
    (
        "late-way-out",
        lambda m: m.page(f'href="{LEAVE}"', 'href="https://news.example.org/walk?a=1&amp;b=2"').page(
            "</td></tr>",
            LONG_PAGE * 900 + f'<a class="text" href="{LEAVE}" style="color:#1d2528">Leave us</a></td></tr>',
        ),
    ),
    ("large-style", lambda m: m.page("<style>", "<style>" + "/* much */" * 2000)),
    ("import", lambda m: m.page("<style>", "<style>@import url('https://a.example/x.css');")),
    ("modern-colour", lambda m: m.page("margin:0", "margin:0; outline-color:rgb(0 128 0 / 1)")),
    ("variable", lambda m: m.page("margin:0", "margin:var(--gap)")),
    ("style-address", lambda m: m.page("margin:0", "margin:0; background:url(/x.png)")),
    ("unsupported", lambda m: m.page("margin:0", "margin:0; display:flex")),
    (
        "contrast-light",
        lambda m: m.page('<p class="text" style="color:#1d2528">What', '<p class="text" style="color:#9a9a9a">What'),
    ),
    ("contrast-dark", lambda m: m.page('<p class="text" style="color:#1d2528">What', '<p style="color:#1d2528">What')),
    ("empty-text", lambda m: dataclasses.replace(m, text="\n")),
    ("markup-in-text", lambda m: m.plain("4 new", "<p>4 new")),
    ("entity-in-text", lambda m: m.plain("4 new", "4&nbsp;new")),
    ("wide-text", lambda m: m.plain("4 new", "4 new " * 20)),
    ("text-lacks-links", lambda m: m.plain("https://news.example.org/walk?a=1&b=2", "")),
]


def test_a_sound_mail_is_let_through():
    assert whole.check(SOUND.bytes()) == []


@pytest.mark.parametrize(("rule", "change"), FAULTS, ids=[rule for rule, _ in FAULTS])
def test_a_planted_fault_is_found_by_its_rule_and_no_other(rule, change):
    found = whole.check(spoiled(change))
    assert {one.rule for one in found} == {rule}
    assert all(one.where and one.what and one.cure for one in found)


def test_no_rule_is_tried_twice_and_there_are_enough():
    rules = [rule for rule, _ in FAULTS]
    assert len(rules) == len(set(rules)) >= 30


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda m: m.page(' alt="Two people walking"', ""), "html line 21"),
        (lambda m: m.plain("4 new", "<p>4 new"), "text line 3"),
        (lambda m: m.saying("Date", "yesterday"), "Date"),
        (lambda m: m.also("Subject", "x"), "Subject"),
    ],
)
def test_the_place_can_be_found(change, place):
    assert [one.where for one in whole.check(spoiled(change))] == [place]


def test_errors_come_first():
    content = (
        SOUND.without("Auto-Submitted").page(' alt="Two people walking"', "").plain("4 new", "4 new " * 20).bytes()
    )
    assert [one.severity for one in whole.check(content)] == [Severity.ERROR, Severity.WARNING, Severity.HINT]


def test_a_notice_needs_no_way_out():
    mail = SOUND.without("List-Id").without("List-Unsubscribe").without("List-Unsubscribe-Post")
    page = HTML.replace(LEAVE, "https://digest.example.org/confirm/x")
    content = dataclasses.replace(mail, html=page, text=TEXT.replace(LEAVE, "https://digest.example.org/confirm/x"))
    assert whole.check(content.bytes()) == []


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"Just some words\n\nand more", b"\r\n\r\nbody"])
def test_what_is_no_mail_is_said_to_be_none(content):
    with pytest.raises(letter.LetterError, match="this is no mail"):
        whole.check(content)


@pytest.mark.parametrize("cut", range(50, 2300, 150))
def test_a_mail_cut_anywhere_is_judged_and_never_raises(cut):
    assert whole.check(SOUND.bytes()[:cut])
