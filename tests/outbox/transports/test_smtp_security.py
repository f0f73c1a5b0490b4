"""TLS and logins of the SMTP transport: verified or not sent at all."""

from pathlib import Path

import pytest

from digest.outbox.replies import Stage
from digest.outbox.transports import smtp
from tests.outbox.transports.test_smtp import a_letter, sent
from tests.support import certificates
from tests.support.smtpserver import SmtpServer

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")


@pytest.fixture
def server():
    with SmtpServer() as running:
        yield running


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return certificates.make(tmp_path_factory.mktemp("tls"))


def test_starttls_is_used_and_verified(certificate):
    with SmtpServer(certificate=certificate) as server:
        (reply,) = sent(f"{server.url}?tls=starttls&ca={certificate[0]}", a_letter())
    assert reply.code == 250
    assert server.received[0].is_tls


def test_implicit_tls_is_used_and_verified(certificate):
    with SmtpServer(certificate=certificate, implicit_tls=True) as server:
        replies = sent(f"{server.url}?ca={certificate[0]}", a_letter(1), a_letter(2))
    assert [reply.code for reply in replies] == [250, 250]
    assert server.received[0].is_tls


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_nobody_vouches_for_stops_the_mail(certificate, implicit):
    with SmtpServer(certificate=certificate, implicit_tls=implicit) as server:
        (reply,) = sent(server.url + ("" if implicit else "?tls=starttls"), a_letter())
    assert (reply.code, reply.stage) == (0, Stage.CONNECT)
    assert "certificate verify failed" in reply.text
    assert server.received == []


@pytest.mark.parametrize("implicit", [True, False])
def test_a_certificate_for_another_host_stops_the_mail(tmp_path, implicit):
    other = certificates.make(tmp_path, "DNS:other.example")
    with SmtpServer(certificate=other, implicit_tls=implicit) as server:
        url = f"{server.url}?ca={other[0]}" + ("" if implicit else "&tls=starttls")
        (reply,) = sent(url, a_letter())
    assert "mismatch" in reply.text
    assert server.received == []


def test_plain_text_is_no_fallback_when_starttls_is_not_offered(server):
    (reply,) = sent(f"{server.url}?tls=starttls", a_letter())
    assert reply.stage is Stage.CONNECT
    assert "STARTTLS" in reply.text
    assert server.received == []


def test_a_login_is_used():
    with SmtpServer(logins={"mia": "s3cret/pass"}) as server:
        url = f"smtp://mia@127.0.0.1:{server.port}"
        assert sent(url, a_letter(), password="s3cret/pass")[0].code == 250
        assert sent(url.replace("mia@", "mia:s3cret%2Fpass@"), a_letter())[0].code == 250
    assert [mail.login for mail in server.received] == ["mia", "mia"]


def test_a_wrong_password_is_a_reply_at_auth_that_does_not_repeat_it():
    with SmtpServer(logins={"mia": "right"}) as server:
        (reply,) = sent(f"smtp://mia@127.0.0.1:{server.port}", a_letter(), password="wrong-one")
    assert (reply.code, reply.stage) == (535, Stage.AUTH)
    assert "wrong-one" not in reply.text


def test_a_missing_login_is_told_by_the_server():
    with SmtpServer(logins={"mia": "right"}) as server:
        (reply,) = sent(server.url, a_letter())
    assert (reply.code, reply.stage) == (530, Stage.MAIL)


def test_a_missing_file_of_authorities_is_told_at_once(tmp_path):
    with pytest.raises(smtp.CertificateError, match="No such file"):
        sent(f"smtps://relay.example.org?ca={tmp_path}/none.pem")
    (tmp_path / "bad.pem").write_text("no certificate")
    with pytest.raises(smtp.CertificateError, match=r"bad\.pem"):
        sent(f"smtps://relay.example.org?ca={tmp_path}/bad.pem")
