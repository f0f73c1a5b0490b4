"""A list of readers to be imported: how, and what became of it. Owns no rows."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from digest.audience import suppression

# Reasons kept for the screen; a list of a million wrong lines must not fill the memory. `on_refused` hears of all.
KEPT_REASONS = 1000

OnRefused = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class Order:
    """How to import: `confirmed` when the readers' consent is on record, `ask` to send the others a request.

    `seen_until`: up to when these readers have had everything from another sender; a row may say otherwise. A rehearsal
    changes nothing.
    """

    publication: sa.Row[Any]
    hasher: suppression.Hasher
    now: datetime
    confirmed: bool = False
    ask: bool = False
    seen_until: datetime | None = None
    is_rehearsal: bool = False
    on_refused: OnRefused | None = None
    # Who bounced or complained elsewhere is suppressed for all Publications, which not everybody may do.
    may_suppress: bool = True


@dataclass(slots=True)
class Report:
    """`refused` holds the first `kept` of `refusals`."""

    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    left: int = 0
    suppressed: int = 0
    refusals: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)
    on_refused: OnRefused | None = field(default=None, repr=False)
    kept: int = field(default_factory=lambda: KEPT_REASONS)

    def refuse(self, line: int, reason: str) -> None:
        self.refusals += 1
        if len(self.refused) < self.kept:
            self.refused.append((line, reason))
        if self.on_refused:
            self.on_refused(line, reason)

    def add(self, other: "Report") -> None:
        """What became of a slice, which has kept all its reasons."""
        for name in ("imported", "updated", "unchanged", "left", "suppressed"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for line, reason in other.refused:
            self.refuse(line, reason)
