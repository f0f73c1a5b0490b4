"""How smtp.url is written, and what is said when it is written wrongly."""

from pathlib import Path

import pytest

from digest import errors, settings
from digest.outbox.transports import file, smtp, urls
from digest.outbox.transports.relay import Relay, Tls

RELAYS = [
    ("smtp://127.0.0.1", Relay("127.0.0.1", 25, Tls.NONE)),
    ("smtp://localhost:1025/", Relay("localhost", 1025, Tls.NONE)),
    ("smtp://[::1]:1025", Relay("::1", 1025, Tls.NONE)),
    ("smtp://localhost?tls=starttls", Relay("localhost", 587, Tls.STARTTLS)),
    ("smtp://relay.example.org", Relay("relay.example.org", 587, Tls.STARTTLS)),
    ("smtp://relay.example.org:2525?tls=none", Relay("relay.example.org", 2525, Tls.NONE)),
    ("smtps://relay.example.org", Relay("relay.example.org", 465, Tls.IMPLICIT)),
    (
        "smtps://relay.example.org?ca=/etc/ca.pem",
        Relay("relay.example.org", 465, Tls.IMPLICIT, ca_file=Path("/etc/ca.pem")),
    ),
    (
        "smtps://relay.example.org?helo=news.example.org",
        Relay("relay.example.org", 465, Tls.IMPLICIT, helo="news.example.org"),
    ),
    ("smtps://mia%40x:p%2Fw%20d@relay.example.org", Relay("relay.example.org", 465, Tls.IMPLICIT, "mia@x", "p/w d")),
]

WRONG = [
    ("", "is empty"),
    ("  ", "is empty"),
    ("relay.example.org", "must begin with"),
    ("http://relay.example.org", "must begin with"),
    ("smtp://", "no valid host"),
    ("smtp://relay.example.org:99999", "no valid host"),
    ("smtp://relay.example.org:abc", "no valid host"),
    ("smtp://relay.example.org:0", "no valid host"),
    ("smtp://[::1", "no valid host"),
    ("smtp://relé.example.org", "no valid host"),
    ("smtp://mia:se/cret@relay.example.org", "no valid host"),
    ("smtp://mia:se#cret@relay.example.org", "no valid host"),
    ("smtp://relay.example.org/inbox", "something after host"),
    ("smtp://mia@relay.example.org", "no password"),
    ("smtp://:secret@relay.example.org", "no user name"),
    ("smtp://relay.example.org?tsl=none", "unknown option tsl"),
    ("smtp://relay.example.org?tls=maybe", "must be starttls or none"),
    ("smtp://relay.example.org?tls=implicit", "smtps://"),
    ("smtps://relay.example.org?tls=none", "leave out tls="),
    ("smtp://relay.example.org?helo=", "helo must be"),
    ("smtp://relay.example.org?helo=a%0D%0Ab", "helo must be"),
    ("file://var/out", "three slashes"),
    ("file:var/out", "three slashes"),
    ("file:///", "three slashes"),
]


@pytest.mark.parametrize(("url", "relay"), RELAYS)
def test_a_url_names_a_relay(url, relay):
    transport = urls.from_url(url, connections=3)
    assert isinstance(transport, smtp.SmtpTransport)
    assert transport.settings == (relay,)
    assert transport.connections == 3


def test_a_password_given_apart_wins():
    transport = urls.from_url("smtps://mia:old@relay.example.org", password="new")
    assert isinstance(transport, smtp.SmtpTransport)
    assert transport.settings[0].password == "new"


def test_a_file_url_names_a_folder():
    transport = urls.from_url("file:///var/my%20mail")
    assert isinstance(transport, file.FileTransport)
    assert transport.folder == Path("/var/my mail")


@pytest.mark.parametrize(("url", "says"), WRONG)
def test_a_wrong_url_is_told_in_one_line_without_its_password(url, says):
    with pytest.raises(urls.TransportUrlError, match=says) as caught:
        urls.from_url(url)
    assert isinstance(caught.value, errors.DigestError)
    assert "\n" not in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_password_does_not_show():
    transport = urls.from_url("smtps://mia:s3cret@relay.example.org")
    assert isinstance(transport, smtp.SmtpTransport)
    assert "s3cret" not in repr(transport) + str(transport) + repr(transport.settings) + repr(vars(transport))


def a_relay(**values) -> settings.Relay:
    return settings.Relay.model_validate({"url": "smtp://mia@one.example.org", "password": "s3cret"} | values)


def test_several_relays_are_one_transport():
    transport = urls.from_relays(
        [a_relay(name="first", weight=3), a_relay(url="smtps://two.example.org", password=None, connections=5)],
        connections=20,
    )
    assert isinstance(transport, smtp.SmtpTransport)
    assert transport.relays == ("first", "two.example.org:465")
    assert transport.connections == 20
    assert transport.settings == (
        Relay("one.example.org", 587, Tls.STARTTLS, "mia", "s3cret", label="first", weight=3),
        Relay("two.example.org", 465, Tls.IMPLICIT, connections=5),
    )


WRONG_RELAYS = [
    ([a_relay(url="")], "smtp.relays.0.url is empty"),
    ([a_relay(), a_relay(url="relay.example.org")], "smtp.relays.1.url must begin with"),
    ([a_relay(url="file:///var/out")], "a folder cannot be one of several"),
    ([a_relay(url="smtp://mia:in-the-file@relay.example.org")], "smtp.relays.0.url holds a password"),
    ([a_relay(password=None)], "no password; write it into a file"),
    ([a_relay(), a_relay()], "more than one is called one.example.org:587"),
    ([a_relay(name="a"), a_relay(name="a", url="smtps://x@two.example.org")], "more than one is called a;"),
]


@pytest.mark.parametrize(("relays", "says"), WRONG_RELAYS)
def test_a_wrong_relay_is_told_with_its_place_and_without_its_password(relays, says):
    with pytest.raises(urls.TransportUrlError) as caught:
        urls.from_relays(relays)
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "in-the-file" not in str(caught.value)
