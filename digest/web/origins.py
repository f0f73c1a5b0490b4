"""Where a request came from, as keyed hashes: enough to count by, too little to find anybody by.

The address is the client's, or what a proxy from the settings says it is; the server sees to that.
"""

import ipaddress

from starlette.requests import Request

from digest.audience import entrance, suppression

# One household has a /64 of its own and may use any address in it; a customer's site has a /48 (RFC 6177 §2).
IPV6_ADDRESS, IPV6_NETWORK, IPV4_NETWORK = 64, 48, 24


def of(request: Request, hasher: suppression.Hasher) -> entrance.Origin:
    address, network = _places(request.client.host if request.client else "")
    return entrance.Origin(hasher.newest(f"origin {address}"), hasher.newest(f"network {network}"))


def _places(text: str) -> tuple[str, str]:
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text, text  # a Unix socket, behind which everybody is the same
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    if address.version == 4:
        return str(address), _around(address, IPV4_NETWORK)
    return _around(address, IPV6_ADDRESS), _around(address, IPV6_NETWORK)


def _around(address: ipaddress.IPv4Address | ipaddress.IPv6Address, bits: int) -> str:
    return str(ipaddress.ip_network(f"{address}/{bits}", strict=False))
