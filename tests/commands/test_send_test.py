"""`send-test`: one mail through a real relay, and nothing left behind."""

import email
import email.policy
import re
import socket
from email.message import EmailMessage

import pytest

from digest.commands import send_test
from digest.outbox import signing_keys
from tests.commands.test_running import a_closed_port
from tests.support import verifiers, wirecheck
from tests.support.operator import Operator
from tests.support.smtpserver import DROP, Received, SmtpServer

TO = "me@example.org"


def message(mail: Received) -> EmailMessage:
    return email.message_from_bytes(mail.content, policy=email.policy.default)


def test_one_digest_goes_to_that_address_and_the_reply_is_told(operator: Operator) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        answer = operator("send-test", "mias-feed", TO)
    assert answer.code == 0, answer.err
    [mail] = server.received
    assert mail.recipient == TO
    assert wirecheck.faults(mail.content) == []
    subject = str(message(mail)["Subject"])
    assert subject.startswith("[Test] ")
    assert answer.out.splitlines() == [f"Accepted by 127.0.0.1:{server.port}: 250 2.0.0 OK 1", f"  {subject}"]


def test_nothing_is_changed(operator: Operator, db_url: str) -> None:
    operator.begin()
    before = operator.everything(db_url)
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        for words in ((), ("--subscriber", "moana.reid@example.org"), ("--notice", "confirm")):
            assert operator("send-test", "mias-feed", TO, *words).code == 0
    assert server.recipients() == [TO] * 3
    assert operator.everything(db_url) == before


def test_its_links_do_nothing(operator: Operator, db_url: str) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        operator("send-test", "mias-feed", TO, "--subscriber", "anna.berg@example.org")
    values = wirecheck.unfolded(server.received[0].content)
    assert "/unsubscribe/0.0." in values["list-unsubscribe"][0]
    assert values["list-unsubscribe-post"] == ["List-Unsubscribe=One-Click"]


def test_no_two_tests_look_like_the_same_mail(operator: Operator) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        for _ in range(3):
            operator("send-test", "mias-feed", TO)
    assert len({message(mail)["Message-ID"] for mail in server.received}) == 3


@pytest.mark.parametrize("notice", ["confirm", "welcome", "goodbye"])
def test_a_notice_can_be_tried(operator: Operator, notice: str) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        assert operator("send-test", "mias-feed", TO, "--notice", notice).code == 0
    [mail] = server.received
    assert wirecheck.faults(mail.content) == []
    assert "List-Id" not in message(mail)
    assert ("List-Unsubscribe" in message(mail)) is (notice == "welcome")


def test_it_is_signed_like_any_other(operator: Operator) -> None:
    operator.begin()
    signing_keys.make(operator.home / "rsa.pem", "rsa")
    settings = '[[dkim.keys]]\ndomain = "mias-feed.example"\nselector = "one"\nkey_file = "rsa.pem"\n'
    operator.file("config/digest.toml", settings)
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        assert operator("send-test", "mias-feed", TO).code == 0
    entry = signing_keys.Entry("mias-feed.example", "one", operator.home / "rsa.pem")
    published = verifiers.records([signing_keys.read(entry)])
    assert verifiers.verdicts([server.received[0].content], published) == [[True]]


def test_layout_frequency_and_language_are_as_asked(operator: Operator) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        words = ("--frequency", "daily", "--layout", "digest", "--locale", "ar")
        assert operator("send-test", "mias-feed", TO, *words).code == 0
    html = message(server.received[0]).get_body(("html",))
    assert html is not None
    assert re.search(r'<html[^>]*\bdir="rtl"', html.get_content())


@pytest.mark.parametrize(
    ("stage", "reply", "said"),
    [
        ("rcpt", "550 5.1.1 no such user here", "no such address, at rcpt): 550 5.1.1 no such user here"),
        ("mail", "550 5.7.1 sender address rejected", "sender or relaying refused, at mail): 550 5.7.1"),
        ("content", "554 5.7.1 looks like spam", "content refused, at content): 554 5.7.1 looks like spam"),
        ("content", DROP, "had all of it and gave no answer, so it may have arrived or not"),
    ],
)
def test_why_it_was_not_accepted_is_told(operator: Operator, stage: str, reply: str, said: str) -> None:
    operator.begin()
    with SmtpServer() as server:
        server.answer(stage, reply)
        operator.set(DIGEST_SMTP_URL=server.url)
        answer = operator("send-test", "mias-feed", TO)
    assert (answer.code, answer.out) == (1, "")
    assert f"127.0.0.1:{server.port}" in answer.complaint
    assert said in answer.complaint


def test_a_relay_that_is_down_is_named(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_SMTP_URL=f"smtp://127.0.0.1:{a_closed_port()}")
    answer = operator("send-test", "mias-feed", TO, "--json")
    assert answer.code == 1
    assert (answer.document["accepted"], answer.document["stage"]) == (False, "connect")
    assert "relay not usable, at connect" in answer.complaint


def test_a_relay_that_says_nothing_is_given_up(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.begin()
    monkeypatch.setattr(send_test, "PATIENCE_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        operator.set(DIGEST_SMTP_URL=f"smtp://127.0.0.1:{silent.getsockname()[1]}")
        answer = operator("send-test", "mias-feed", TO)
    assert answer.code == 1
    assert "no answer within 0.3 seconds" in answer.complaint


@pytest.mark.parametrize(
    ("address", "words", "complaint"),
    [
        ("nobody", (), "not a usable e-mail address"),
        (TO, ("--frequency", "hourly"), "hourly"),
        (TO, ("--layout", "tabloid"), "no mail layout 'tabloid'"),
        (TO, ("--notice", "eviction"), "no notice"),
        (TO, ("--subscriber", "stranger@example.org"), "never subscribed"),
    ],
)
def test_a_mistake_sends_nothing(operator: Operator, address: str, words: tuple[str, ...], complaint: str) -> None:
    operator.begin()
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        answer = operator("send-test", "mias-feed", address, *words)
    assert answer.code == 2
    assert complaint in answer.complaint
    assert server.received == []


def test_an_address_nothing_may_be_sent_to_gets_no_test_either(operator: Operator) -> None:
    operator.begin()
    operator("subscribers", "suppress", TO)
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url)
        answer = operator("send-test", "mias-feed", TO)
    assert answer.code == 2
    assert "digest subscribers unsuppress" in answer.complaint
    assert server.connections == 0


def test_a_copied_database_sends_no_test_either(operator: Operator) -> None:
    operator.begin()
    assert operator("run", "--now", "2026-11-09T05:00:00Z").code == 0
    with SmtpServer() as server:
        operator.set(DIGEST_SMTP_URL=server.url, DIGEST_INSTANCE="a-copy")
        answer = operator("send-test", "mias-feed", TO)
    assert answer.code == 1
    assert "digest adopt" in answer.complaint
    assert server.connections == 0


def test_without_a_relay_it_is_said_how_to_name_one(operator: Operator) -> None:
    operator.begin()
    operator.set(DIGEST_SMTP_URL="")
    answer = operator("send-test", "mias-feed", TO)
    assert answer.code == 2
    assert "smtp.url is empty" in answer.complaint
