"""Which machines a feed's address may lead to: a server inside our network must not be read by naming it as a feed.

Names are resolved once and the caller connects to the very addresses checked here; otherwise a second look-up could
answer differently (DNS rebinding).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable

Resolver = Callable[[str], Awaitable[list[str]]]
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Not for the public Internet, yet `is_global` of some supported Python versions says otherwise.
_CLOSED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890)
        "192.88.99.0/24",  # 6to4 relays (RFC 7526)
        "100.64.0.0/10",  # carrier-grade NAT (RFC 6598)
        "::/96",  # IPv4-compatible (RFC 4291 §2.5.5.1)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765)
        "64:ff9b:1::/48",  # local-use NAT64 (RFC 8215)
        "100::/64",  # discard (RFC 6666)
        "2001::/23",  # protocol assignments, Teredo among them
        "2002::/16",  # 6to4, given up (RFC 7526); newer Pythons call it private
        "3fff::/20",  # documentation (RFC 9637)
        "5f00::/16",  # segment routing (RFC 9602)
        "fec0::/10",  # site-local (RFC 3879)
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address


class Closed(Exception):
    """The host must not be visited; the text says why. Never leaves `fetch`."""


async def system_resolver(host: str) -> list[str]:
    """All addresses of a name, as the operating system orders them."""
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


async def addresses(host: str, *, resolve: Resolver, allow_hosts: frozenset[str]) -> list[str]:
    """Where to connect to. Raises Closed if one of them is not public, unless the operator allowed this host."""
    literal = _literal(host)
    try:
        found = [host] if literal else await resolve(host)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise Closed(f"the name {host} has no address")
    if host.lower() not in allow_hosts and not all(is_public(address) for address in found):
        # Which address it is stays untold: a stranger's feed must not map our network.
        raise Closed(f"{host} is not on the public Internet; if you trust it, add it to the hosts allowed for feeds")
    return found


def is_public(text: str) -> bool:
    address = _literal(text)
    if address is None:
        return False
    return all(_is_open(form) for form in (address, *_embedded(address)))


def _literal(text: str) -> Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _embedded(address: Address) -> list[Address]:
    """IPv4 addresses that a gateway would take out of an IPv6 one."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [form for form in (address.ipv4_mapped, address.sixtofour) if form is not None]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    return [*found]


def _is_open(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return True  # judged by the IPv4 address inside
    odd = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    closed = any(address.version == network.version and address in network for network in _CLOSED)
    # The well-known NAT64 prefix lies in reserved space, but leads to public hosts.
    return address in _NAT64 or (address.is_global and not odd and not closed)
