"""Which addresses may sign up by themselves, going by nothing but their spelling; what is refused can be said openly.

Throw-away mailboxes forget us in an hour, and nobody reads news at abuse@. Pure; an import or the API may bring any
address, for there somebody answers for it.
"""

import enum
import functools
from dataclasses import dataclass

from digest import addresses


class Objection(enum.StrEnum):
    DISPOSABLE = "disposable"
    DUTY = "duty"


@dataclass(frozen=True, slots=True)
class Policy:
    """`duties` are names before the @; `allowed` and `refused` are domains, which win over the list of known ones."""

    takes_disposable: bool = False
    duties: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    refused: frozenset[str] = frozenset()


def judge(address: addresses.EmailAddress, policy: Policy) -> Objection | None:
    """Why this address may not sign up by itself."""
    if address.local.lower().partition("+")[0] in policy.duties:
        return Objection.DUTY
    above = _and_above(address.domain)
    if not policy.allowed.isdisjoint(above):
        return None
    is_known = not policy.takes_disposable and not _disposable().isdisjoint(above)
    return Objection.DISPOSABLE if is_known or not policy.refused.isdisjoint(above) else None


def _and_above(domain: str) -> set[str]:
    """a.b.example and b.example: who gives boxes away does so under names of the day."""
    labels = domain.split(".")
    return {".".join(labels[start:]) for start in range(max(len(labels) - 1, 1))}


@functools.cache
def _disposable() -> frozenset[str]:
    # Loaded when first asked for: it takes some milliseconds, and most processes never ask.
    import disposable_email_domains

    return frozenset(disposable_email_domains.blocklist)
