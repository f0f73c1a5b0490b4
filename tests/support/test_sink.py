"""The rude SMTP server does what it is told, and its ledger says what it took."""

import contextlib
import json
import os
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
READER = "anna@example.org"
MAIL = f"To: <{READER}>\r\nMessage-ID: <1@example.org>\r\n\r\n--end--\r\n".encode()


class Sink:
    def __init__(self, process: subprocess.Popen[str], ledger: Path) -> None:
        self.process, self.ledger = process, ledger
        assert process.stdout
        self.port = int(process.stdout.readline().split()[-1])

    def become(self, **rudeness: object) -> None:
        assert self.process.stdin
        assert self.process.stdout
        print(json.dumps(rudeness), file=self.process.stdin, flush=True)
        assert self.process.stdout.readline() == "ok\n"

    def client(self) -> smtplib.SMTP:
        return smtplib.SMTP("127.0.0.1", self.port, timeout=1, local_hostname="node")

    def told(self, kind: str) -> list[list[str]]:
        """The last four fields of each line of this kind: reader, Message-ID, answer, whether it is sound."""
        lines = [line.split("\t") for line in self.ledger.read_text().splitlines()]
        return [fields[-4:] for fields in lines if fields[0] == kind]


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[Sink]:
    ledger = tmp_path / "ledger"
    command = [sys.executable, "-m", "tests.support.sink", "--ledger", str(ledger)]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment) as process:
        try:
            yield Sink(process, ledger)
        finally:
            process.kill()


def send(client: smtplib.SMTP) -> int:
    """The code of whatever reply ended it."""
    try:
        client.sendmail("mia@example.org", READER, MAIL)
    except smtplib.SMTPRecipientsRefused as error:
        return error.recipients[READER][0]
    except smtplib.SMTPResponseException as error:
        return error.smtp_code
    return 250


def test_what_it_keeps_stands_in_the_ledger_before_the_reply(sink: Sink) -> None:
    with sink.client() as client:
        assert send(client) == 250
        sink.process.kill()
        assert sink.told("kept") == [[READER, "<1@example.org>", "250", "1"]]
        with contextlib.suppress(smtplib.SMTPException):
            client.noop()


@pytest.mark.parametrize(("when", "kind"), [("before", "gone"), ("after", "kept")])
@pytest.mark.parametrize("how", ["drop", "stall", "garbage"])
def test_it_leaves_its_client_in_doubt_before_or_after_keeping(sink: Sink, how: str, when: str, kind: str) -> None:
    sink.become(**{f"{how}_{when}": 1.0})
    client = sink.client()
    with contextlib.suppress(smtplib.SMTPServerDisconnected, TimeoutError):
        assert send(client) == -1  # what smtplib makes of garbage
    client.close()
    assert sink.told(kind) == [[READER, "<1@example.org>", how, "1"]]


def test_no_reader_is_dropped_a_third_time(sink: Sink) -> None:
    sink.become(drop_before=1.0)
    for _ in range(2):
        with pytest.raises(smtplib.SMTPServerDisconnected):
            send(sink.client())
    with sink.client() as client:
        assert send(client) == 250


def test_it_greylists_a_reader_once(sink: Sink) -> None:
    sink.become(greylist=1.0)
    with sink.client() as client:
        assert [send(client), send(client)] == [451, 250]


def test_it_closes_after_so_many_mails(sink: Sink) -> None:
    sink.become(close_after=2)
    with sink.client() as client:
        assert [send(client), send(client), client.docmd("NOOP")[0]] == [250, 250, 421]


@pytest.mark.parametrize(("rudeness", "code"), [({"later": 1.0}, 451), ({"busy": 1.0}, 421)])
def test_it_puts_mails_off(sink: Sink, rudeness: dict[str, float], code: int) -> None:
    sink.become(**rudeness)
    assert send(sink.client()) == code
    assert sink.told("kept") == []


@pytest.mark.parametrize("rudeness", ["babble", "hang_up"])
def test_it_answers_commands_with_garbage_or_the_end(sink: Sink, rudeness: str) -> None:
    sink.become(**{rudeness: 1.0})
    client = sink.client()
    with contextlib.suppress(smtplib.SMTPServerDisconnected):
        client.ehlo()
        assert client.docmd("MAIL FROM:<mia@example.org>")[0] == -1
    client.close()
    assert sink.told("kept") + sink.told("odd") == []


def test_it_turns_new_connections_away(sink: Sink) -> None:
    sink.become(refuse="421")
    with pytest.raises(smtplib.SMTPConnectError):
        sink.client()


def test_a_lone_dot_after_refused_recipients_is_no_mail(sink: Sink) -> None:
    sink.become(greylist=1.0, lax=True)
    with sink.client() as client:
        client.ehlo()
        for command, code in (("MAIL FROM:<mia@example.org>", 250), (f"RCPT TO:<{READER}>", 451), ("DATA", 354)):
            assert client.docmd(command)[0] == code
        assert client.docmd(".")[0] == 554
    assert sink.told("kept") + sink.told("odd") == []


def test_mails_cut_short_or_for_another_reader_are_not_sound(sink: Sink) -> None:
    with sink.client() as client:
        for content in (MAIL[:-9], MAIL.replace(READER.encode(), b"ben@example.org")):
            client.sendmail("mia@example.org", READER, content)
    assert [fields[-1] for fields in sink.told("kept")] == ["0", "0"]
