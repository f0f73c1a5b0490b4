"""Which addresses share one mail system."""

from collections import Counter

import pytest

from digest.outbox import destinations


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("reader@gmail.com", "gmail"),
        ("reader@GoogleMail.com", "gmail"),
        ("reader@hotmail.fr", "microsoft"),
        ("reader@outlook.com", "microsoft"),
        ("reader@live.co.uk", "microsoft"),
        ("reader@yahoo.com.br", "yahoo"),
        ("reader@aol.com", "yahoo"),
        ("reader@yahoo.co.jp", "yahoo-japan"),
        ("reader@me.com", "apple"),
        ("reader@web.de", "gmx"),
        ("reader@wanadoo.fr", "orange"),
        ("reader@bk.ru", "mail.ru"),
        ("reader@foxmail.com", "qq"),
        ("reader@news.example", "news.example"),
        ("reader@mail.gmail.com", "mail.gmail.com"),
        ('"a@gmail.com"@news.example', "news.example"),
        ("reader@xn--bcher-kva.example", "xn--bcher-kva.example"),
    ],
)
def test_addresses_of_one_provider_share_a_destination(address: str, name: str) -> None:
    assert destinations.of_address(address) == name


def test_no_domain_belongs_to_two_groups() -> None:
    counts = Counter(domain for domains in destinations.GROUPS.values() for domain in set(domains))
    assert [domain for domain, count in counts.items() if count > 1] == []


def test_domains_are_written_as_they_are_looked_up() -> None:
    for domains in destinations.GROUPS.values():
        for domain in domains:
            assert domain == domain.lower().strip(".")
            assert domain.isascii()


def test_a_group_named_like_a_domain_holds_that_domain() -> None:
    for name in destinations.GROUPS:
        assert "." not in name or destinations.of(name) == name
