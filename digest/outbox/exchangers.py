"""Which provider takes the mail of a domain, by its MX records: thousands of companies' domains share a few limits.

Off unless configured, for each new domain is a question to DNS. Answers are kept in memory for half a day; a domain
without one is a destination by itself, and no mail ever waits for DNS longer than a few seconds.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable

from digest.outbox import destinations

# Hosts end like this where a provider takes mail for domains of its customers.
PROVIDERS = {
    "google.com": "google-workspace",
    "googlemail.com": "google-workspace",
    "mail.protection.outlook.com": "microsoft-365",
    "mx.microsoft": "microsoft-365",
    "yahoodns.net": "yahoo",
    "pphosted.com": "proofpoint",
    "ppe-hosted.com": "proofpoint",
    "mimecast.com": "mimecast",
    "messagelabs.com": "messagelabs",
    "barracudanetworks.com": "barracuda",
    "kundenserver.de": "ionos",
    "ionos.com": "ionos",
    "ovh.net": "ovh",
    "zoho.com": "zoho",
    "zoho.eu": "zoho",
    "messagingengine.com": "fastmail",
    "protonmail.ch": "proton",
    "mail.icloud.com": "apple",
}
# MX records change seldom, and a wrong answer costs a limit shared with strangers for so long.
KEEP_SECONDS = 12 * 3600.0
# A resolver that does not answer may hold up a Batch for so long, once per domain.
WAIT_SECONDS = 3.0
AT_ONCE = 50
# Some 10 MB.
MOST_KEPT = 100_000

# The host a domain prefers for its mail; None where there is none or nobody says.
Ask = Callable[[str], Awaitable[str | None]]


async def ask_dns(domain: str) -> str | None:
    # Loaded by those who wish for it only.
    import dns.asyncresolver
    import dns.exception

    try:
        answer = await dns.asyncresolver.resolve(domain, "MX", lifetime=WAIT_SECONDS)
    except (dns.exception.DNSException, OSError):
        return None
    best = min(answer, key=lambda record: record.preference)
    return str(best.exchange).rstrip(".").lower() or None


class Exchangers:
    """What one process knows. `seconds` never goes back."""

    def __init__(self, ask: Ask = ask_dns, seconds: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._seconds = ask, seconds
        self._known: dict[str, tuple[str, float]] = {}
        self._places = asyncio.Semaphore(AT_ONCE)

    def of(self, domain: str) -> str:
        """The destination of a domain, as far as it is known."""
        name = destinations.of(domain)
        return name if name != domain or domain not in self._known else self._known[domain][0]

    async def learn(self, domains: Iterable[str]) -> None:
        """Ask about those that are not known, or not known any more."""
        now = self._seconds()
        new = {domain for domain in domains if destinations.of(domain) == domain and self._is_old(domain, now)}
        if len(self._known) + len(new) > MOST_KEPT:
            self._known.clear()
        await asyncio.gather(*(self._learn(domain) for domain in new))

    def _is_old(self, domain: str, now: float) -> bool:
        return domain not in self._known or now - self._known[domain][1] > KEEP_SECONDS

    async def _learn(self, domain: str) -> None:
        async with self._places:
            host = await self._ask(domain)
        self._known[domain] = (named(domain, host), self._seconds())


def named(domain: str, host: str | None) -> str:
    """The destination a domain belongs to whose mail goes to this host."""
    if not host or host == domain or host.endswith("." + domain):
        return domain
    for suffix, name in PROVIDERS.items():
        if host == suffix or host.endswith("." + suffix):
            return name
    # mx1.provider.example and mx2.provider.example are one.
    _, _, rest = host.partition(".")
    return rest if "." in rest else host
