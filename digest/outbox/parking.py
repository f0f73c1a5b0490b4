"""Mails of one Batch that are ready and may not start yet: where they wait, and when they are put off instead.

Keeps them apart, so that a slow destination holds up no other. A few wait here, for as many as will soon be able to
go; for the rest it says how long to wait, and they become `deferred` without having used up a try.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.outbox import facts, gate, handover, pauses, warmup
from digest.outbox.gate import Block, Way, Why

if TYPE_CHECKING:
    from digest.outbox.handing import Proposal


def way(keeper: gate.Gate, relay: str, proposal: "Proposal") -> Way:
    """Where this mail goes over that relay."""
    assert proposal.ready is not None
    return Way(relay, keeper.destination(proposal.facts.row.address_key), proposal.ready.sender_domain)


class Parking:
    """The place of one Batch."""

    def __init__(self, keeper: gate.Gate, *, is_urgent: bool) -> None:
        self._gate, self._is_urgent = keeper, is_urgent
        self._parked: dict[Block, deque[Proposal]] = {}

    def __len__(self) -> int:
        return sum(len(proposals) for proposals in self._parked.values())

    def admit(self, relay: str, proposal: "Proposal", now: datetime, *, behind: Way | None = None) -> Way | None:
        """The way it may start on now, counted as started; None: it is parked.

        `behind`: the way of the mail before it on the same line.
        """
        going = way(self._gate, relay, proposal)
        follows = behind is not None and behind.destination == going.destination
        block = self._gate.admit(going, now, is_urgent=self._is_urgent, follows=follows)
        if block is None:
            return going
        self._parked.setdefault(block, deque()).append(proposal)
        self._gate.held[block] += 1
        return None

    def release(self, now: datetime) -> list["Proposal"]:
        """Those that may try again."""
        found = []
        for block in list(self._parked):
            found += self._taken(block, self._gate.room(block, len(self._parked[block]), now))
        return found

    def _taken(self, block: Block, count: int) -> list["Proposal"]:
        """So many taken out, those that came first."""
        proposals = self._parked[block]
        found = [proposals.popleft() for _ in range(count)]
        self._gate.held[block] -= count
        if not proposals:
            del self._parked[block]
        return found

    def clear(self) -> None:
        for block, proposals in list(self._parked.items()):
            self._taken(block, len(proposals))

    def is_overfull(self, now: datetime) -> bool:
        """Whether there are more than will soon be able to go."""
        return any(self._gate.excess(block, now) > 0 for block in self._parked)

    async def put_off(
        self, connection: AsyncConnection, occasion: handover.Occasion | None, now: datetime
    ) -> list["Proposal"]:
        """Those that would wait too long, taken out, each with the verdict that says until when."""
        found: list[Proposal] = []
        for block in list(self._parked):
            late = self._taken(block, max(min(self._gate.excess(block, now), len(self._parked[block])), 0))
            if late and block.why is Why.WARMUP and occasion is not None:
                verdict = handover.Wait(warmup.next_day(occasion.planned_at, now), warmup.REASON)
                _give(late, [verdict] * len(late))
            elif late:
                waits = await self._gate.put_off(connection, block, len(late), now)
                reason = pauses.put_off_reason(block.why, block.key[1] or block.key[0])
                _give(late, [handover.Wait(now + wait, reason) for wait in waits])
            found += late
        return found


def _give(proposals: Iterable["Proposal"], verdicts: Iterable[handover.Wait]) -> None:
    for proposal, verdict in zip(proposals, verdicts, strict=True):
        proposal.verdict, proposal.ready = verdict, None


async def ration(
    connection: AsyncConnection, keeper: gate.Gate, edition: Any, proposals: Iterable["Proposal"], now: datetime
) -> None:
    """While a domain warms up and there is not enough for all, those wait who have been served last."""
    for proposal in proposals:
        row = proposal.facts.row
        if proposal.ready is None or facts.is_doubtful(row):
            continue
        cut = await keeper.rations.cut(connection, proposal.ready.sender_domain, edition, now)
        if wait := cut.wait(row.reader_last_date, row.subscription_id, now):
            _give([proposal], [wait])
