"""What the sender has done since somebody began to watch: for a progress bar, cheap enough to ask twice a second.

Reads indexes only; leaves nothing. A mail is done when it has left its Batch: sent, given up, or put off until later.
"""

import dataclasses

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import sql
from digest.editions import models as editions
from digest.outbox import progress


@dataclasses.dataclass
class Track:
    """Remembers how many Deliveries each Edition has: that of one that is filled does not change any more."""

    sizes: dict[int, int] = dataclasses.field(default_factory=dict)
    growing: set[int] = dataclasses.field(default_factory=set)
    done_before: int | None = None

    async def look(self, connection: AsyncConnection) -> tuple[int, int]:
        """Mails done since the first look, and how many there are in all, as far as Editions are filled by now."""
        await self._measure(connection)
        ahead = await progress.in_batches(connection)
        # Notices are few, and nothing tells those of today from those of years ago.
        left = sum(count for id_, count in ahead.items() if id_ in self.sizes)
        done = sum(self.sizes.values()) - left
        if self.done_before is None:
            self.done_before = done
        # On PostgreSQL the two looks are moments apart, and a mail may seem undone again.
        done = max(done - self.done_before, 0)
        return done, done + left

    async def _measure(self, connection: AsyncConnection) -> None:
        """Count Editions that are new to us, or were still being filled when we last looked."""
        edition = editions.Edition
        is_open = sql.among(edition.state, editions.OPEN)
        rows = (await connection.execute(sa.select(edition.id, edition.state).where(is_open))).all()
        asked = self.growing | {row.id for row in rows if row.id not in self.sizes}
        if asked:
            self.sizes |= await progress.totals(connection, asked)
        self.growing = {row.id for row in rows if row.state is editions.EditionState.PLANNED}
