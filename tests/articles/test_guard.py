import asyncio

import pytest

from digest.articles import guard

PUBLIC = [
    "93.184.216.34",
    "8.8.8.8",
    "192.0.1.1",
    "2606:4700::1111",
    "64:ff9b::808:808",
    "::ffff:8.8.8.8",
]
CLOSED = [
    "127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.127.255.255",
    "192.0.0.8", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "192.88.99.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255", "::", "::1", "::7f00:1", "::10.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1",
    "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::808:808", "2002:7f00:1::",
    "2002:808:808::1", "2002:a00:1::1", "2001:0:808:808::1",
    "fc00::1",
    "fd12:3456::1", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1", "5f00::1",
    "no address", "",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_open(address: str) -> None:
    assert guard.is_public(address)


@pytest.mark.parametrize("address", CLOSED)
def test_everything_else_is_closed(address: str) -> None:
    assert not guard.is_public(address)


def ask(host: str, *answers: str, allow: frozenset[str] = frozenset()) -> list[str]:
    async def resolve(name: str) -> list[str]:
        assert name == host
        return list(answers)

    return asyncio.run(guard.addresses(host, resolve=resolve, allow_hosts=allow))


def test_all_addresses_of_a_public_host_are_given() -> None:
    assert ask("x.example", "8.8.8.8", "2606:4700::1111") == ["8.8.8.8", "2606:4700::1111"]


def test_one_private_address_closes_a_host() -> None:
    with pytest.raises(guard.Closed, match=r"x\.example is not on the public Internet"):
        ask("x.example", "8.8.8.8", "10.0.0.1")


def test_an_operator_may_open_a_host_by_the_name_in_its_url() -> None:
    assert ask("intranet", "10.0.0.1", allow=frozenset({"intranet"})) == ["10.0.0.1"]
    with pytest.raises(guard.Closed):
        ask("other.example", "10.0.0.1", allow=frozenset({"intranet", "10.0.0.1"}))


def test_numbers_in_disguise_are_seen_through() -> None:
    for host in ("127.1", "2130706433", "0x7f.1", "localhost"):
        with pytest.raises(guard.Closed):
            asyncio.run(guard.addresses(host, resolve=guard.system_resolver, allow_hosts=frozenset()))


def test_a_host_without_addresses_is_said_to_have_none() -> None:
    with pytest.raises(guard.Closed, match="has no address"):
        ask("x.example")
