"""Domains that one provider serves are one destination, as far as DNS says so."""

import pytest

from digest.outbox import exchangers
from digest.outbox.exchangers import Exchangers

pytestmark = pytest.mark.anyio

HOSTS = {"firm.example": "aspmx.l.google.com", "shop.example": "aspmx.l.google.com", "own.example": "mx.own.example"}


class Dns:
    def __init__(self):
        self.asked = []

    async def __call__(self, domain):
        self.asked.append(domain)
        return HOSTS.get(domain)


@pytest.fixture
def dns():
    return Dns()


@pytest.mark.parametrize(
    ("domain", "host", "name"),
    [
        ("a.example", None, "a.example"),
        ("a.example", "a.example", "a.example"),
        ("a.example", "mail.a.example", "a.example"),
        ("a.example", "a-example.mail.protection.outlook.com", "microsoft-365"),
        ("a.example", "mx00.kundenserver.de", "ionos"),
        ("a.example", "notgoogle.com", "notgoogle.com"),
        ("a.example", "mx1.provider.example", "provider.example"),
        ("a.example", "mx2.mail.provider.example", "mail.provider.example"),
    ],
)
def test_who_takes_the_mail_names_the_destination(domain, host, name):
    assert exchangers.named(domain, host) == name


async def test_customers_of_one_provider_share_a_destination(dns):
    known = Exchangers(dns)
    assert known.of("firm.example") == "firm.example"  # nobody has asked yet
    await known.learn(["firm.example", "shop.example", "own.example", "silent.example"])
    names = [known.of(f"{name}.example") for name in ("firm", "shop", "own", "silent")]
    assert names == ["google-workspace", "google-workspace", "own.example", "silent.example"]


async def test_big_providers_are_known_without_asking(dns):
    known = Exchangers(dns)
    await known.learn(["gmail.com", "hotmail.fr"])
    assert (known.of("gmail.com"), known.of("hotmail.fr"), dns.asked) == ("gmail", "microsoft", [])


async def test_each_domain_is_asked_about_once_in_half_a_day(dns):
    now = [0.0]
    known = Exchangers(dns, lambda: now[0])
    for _ in range(3):
        await known.learn(["firm.example", "silent.example"])
    assert sorted(dns.asked) == ["firm.example", "silent.example"]
    now[0] += exchangers.KEEP_SECONDS + 1
    await known.learn(["firm.example"])
    assert dns.asked.count("firm.example") == 2


async def test_memory_is_bounded(dns, monkeypatch):
    monkeypatch.setattr(exchangers, "MOST_KEPT", 10)
    known = Exchangers(dns)
    for number in range(30):
        await known.learn([f"d{number}.example"])
    assert len(known._known) <= 10
