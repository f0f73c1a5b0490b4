"""What the web doors are given by whoever starts them."""

import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from digest import clerk, clock, database, links
from digest.audience import entrance, screening, suppression


@dataclass(frozen=True)
class Readiness:
    """Whether this node does its work. `reasons` say what is wrong, `facts` whatever else is worth knowing."""

    reasons: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return not self.reasons


@dataclass(frozen=True)
class SignUp:
    """How often a form may be filled in, and for which addresses."""

    rules: entrance.Rules = field(default_factory=entrance.Rules)
    policy: screening.Policy = field(default_factory=screening.Policy)


@dataclass(frozen=True)
class Parts:
    """`view` gives one sent mail as HTML, or None when it is no longer kept; `probe` looks whether all is well.

    `measure` gives the metrics as text, to whoever brings `metrics_token`; without a token, to nobody.
    `api_limit` is how often one key may come. `hosts` are names we answer to besides those in links.
    """

    db: database.Database
    signer: links.Signer
    hasher: suppression.Hasher
    clock: clock.Clock
    base_url: str
    view: Callable[[links.MailToken], Awaitable[str | None]]
    probe: Callable[[], Awaitable[Readiness]]
    measure: Callable[[], Awaitable[bytes]] | None = None
    metrics_token: str = ""
    api_limit: str = "600/minute"
    sign_up: SignUp = field(default_factory=SignUp)
    hosts: tuple[str, ...] = ()
    hsts_days: int = 0

    @functools.cached_property
    def clerk(self) -> clerk.Clerk:
        """Whoever writes a little for one reader writes through this, to share a commit with all who do."""
        return clerk.Clerk(self.db)
