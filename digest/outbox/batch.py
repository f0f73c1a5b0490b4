"""`run_batch(id)`: the one task there is. Claims a Batch by lease, hands over, sends, and records in group commits.

Reads a Batch and its Deliveries; leaves their outcome. A mail is announced on a line first; once the server waits for
the content, one transaction records every result that has come in and makes all mails that wait so `sending`. So a
line starts its next content only after its previous result is committed, at most one mail per line is ever
unrecorded, and content leaves at once after its hand-over. No transaction is open while anything is on a socket.
"""

import asyncio
import dataclasses
import time
import uuid
from collections import Counter
from datetime import datetime
from typing import Any

import structlog
from sqlalchemy import exc
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.outbox import (
    attempts,
    crew,
    ends,
    facts,
    handing,
    lease,
    lineup,
    models,
    parking,
    record,
    scene as scenes,
)
from digest.outbox.mails import Mail

# Readers locked by an unsubscribe or another node are looked at again after this.
BUSY_SECONDS = 0.05
# Content that could not leave so soon after its hand-over is given back: the reader may have left meanwhile.
FRESH_SECONDS = 1.0
# How long the first reply waits for others to be committed with it. Far less than any server takes for a mail.
GATHER_SECONDS = 0.008
# A database that is away: how long until the next look, and how long a process that was asked to end waits for it.
OUTAGE_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)
LAST_WORDS_SECONDS = 30.0

# What a database does when it is gone, full or too busy. Anything else it may raise is a bug of ours.
AWAY = (exc.OperationalError, exc.InterfaceError, exc.TimeoutError, OSError)

log = structlog.get_logger()


async def run_batch(sender: crew.Sender, batch_id: int, exhausted: asyncio.Event | None = None) -> Counter[str]:
    """Send what this Batch holds; counts by Delivery state. Nothing happens if somebody else has it.

    `exhausted` is set when its last round begins, so that another Batch may use the lines. Raises RelayError
    when no relay can be reached; the Batch is anybody's then.
    """
    owner = uuid.uuid4().hex
    batch, doubtful = await lease.take(sender.db, batch_id, owner, sender.clock())
    if batch is None:
        return Counter()
    loop = _Loop(sender, batch, owner, exhausted or asyncio.Event())
    async with lease.renewed(sender.db, batch_id, owner):
        return +Counter(doubtful=doubtful) + await loop.run()


@dataclasses.dataclass(slots=True)
class _Turn:
    """What one transaction is about: what came in, and what it lets go."""

    accepted: list[Mail]
    stops: list[handing.Proposal]
    settled: list[record.Settled]
    returned: list[Mail]
    now: datetime
    stopped: list[handing.Proposal] = dataclasses.field(default_factory=list)
    leaving: set[Mail] = dataclasses.field(default_factory=set)
    kept: set[Mail] = dataclasses.field(default_factory=set)


class _Loop:
    """One Batch being sent: what is lined up, what is on the wire, and what came back but is not recorded yet."""

    def __init__(self, sender: crew.Sender, batch: Any, owner: str, exhausted: asyncio.Event) -> None:
        self.sender, self.batch, self.owner, self.exhausted = sender, batch, owner, exhausted
        self.queue = lineup.Lineup(sender, is_urgent=batch.edition_id is None)
        self.is_ours = True
        self._last_scene: scenes.Scene | None = None
        self.trouble = ""
        self.counts: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        try:
            async with self.sender.db.glance() as connection:
                self.queue.todo.extend(await facts.waiting(connection, self.batch.id))
            await self._work()
        finally:
            self.exhausted.set()
            await self.queue.leave()
            await self._save()
        if self.trouble:
            raise crew.RelayError(self.trouble)
        return self.counts

    async def _work(self) -> None:
        failures = 0
        while not await self._is_over():
            try:
                await self._turn()
                failures = 0
            except AWAY as error:
                # Nothing new is handed over, and what is unrecorded stays in memory, until the database is back.
                log.warning("database_away", batch=self.batch.id, reason=type(error).__name__)
                await asyncio.sleep(OUTAGE_SECONDS[min(failures, len(OUTAGE_SECONDS) - 1)])
                failures += 1

    @property
    def _may_go_on(self) -> bool:
        return self.is_ours and not self.sender.stopping.is_set()

    async def _is_over(self) -> bool:
        queue = self.queue
        if queue.on_wire or queue.settled or queue.returned:
            return False
        if not self._may_go_on:
            return True
        if queue.todo or queue.waiting or queue.parking or queue.stops or queue.accepted:
            return False
        return await self._finish()

    async def _turn(self) -> None:
        """Line up and announce what can be, wait for replies, commit what they led to."""
        queue = self.queue
        if self._may_go_on:
            await self._supply()
            queue.announce()
            queue.write_ahead()
            if not queue.todo and len(queue.waiting) <= queue.on_wire:
                # The last round. The next Batch needs a moment to get as far, and must not come too late; nor too soon,
                # for other processes have lines too.
                self.exhausted.set()
            if queue.is_stuck:
                async with self.sender.db.brief() as connection:
                    await queue.put_off(connection, self.sender.clock())
        await self._wait()
        if queue.settled or queue.returned or queue.stops or queue.accepted:
            await self._commit()
        elif queue.parking and self.sender.gate.is_unsettled:
            async with self.sender.db.brief() as connection:
                await self.sender.gate.settle(connection, self.sender.clock())

    async def _supply(self) -> None:
        """Look at the next Deliveries and have their mails composed, so that no line ever waits for that."""
        queue, sender = self.queue, self.sender
        ids = queue.next_ids()
        if not ids:
            return
        try:
            async with sender.db.glance() as connection:
                scene = await self._scene(connection)
                self.is_ours = scene.is_ours and not scene.is_paused
                await sender.gate.look(connection, sender.clock())
                proposals = await handing.propose(connection, sender.desk, scene, ids, sender.clock())
            await sender.gate.learn(one.facts.row.address_key for one in proposals)
            await handing.prepare(sender.desk, proposals)
            if sender.gate.rules.is_careful and scene.edition is not None:
                # Once a day and Edition it looks at all readers in line, which may take seconds.
                async with sender.db.reading() as connection:
                    await parking.ration(connection, sender.gate, scene.edition, proposals, sender.clock())
        except BaseException:
            queue.todo.extendleft(reversed(ids))
            raise
        queue.add(proposals, scene.occasion)

    async def _scene(self, connection: AsyncConnection) -> scenes.Scene:
        if self._last_scene is None:
            self._last_scene = await scenes.look(connection, self.batch, self.owner)
        else:
            self._last_scene = await scenes.again(connection, self.batch, self.owner, self._last_scene)
        return self._last_scene

    async def _wait(self) -> None:
        """Until there is something to commit, a line to be had, or a wish to stop."""
        queue, sender = self.queue, self.sender
        if not self._may_go_on:
            queue.withdraw()
        if queue.on_wire:
            await queue.happening(GATHER_SECONDS)
        elif queue.is_blocked:
            # Readers somebody else holds a lock on.
            await asyncio.sleep(BUSY_SECONDS)
        elif queue.has_replies:
            # All of them came while the next mails were looked up.
            return
        elif queue.parking and self._may_go_on and not (queue.waiting or queue.stops):
            await asyncio.sleep(lineup.PARKED_SECONDS)
        elif queue.waiting and self._may_go_on and not queue.stops:
            if trouble := sender.transport.trouble():
                self.trouble, self.is_ours = f"the relay cannot take mail: {trouble.text}", False
                return
            await queue.line_free()

    async def _commit(self) -> None:
        """One transaction: record what came in, confirm and freeze what servers wait for. Then pour."""
        queue, sender = self.queue, self.sender
        turn = _Turn(*queue.take(), list(queue.settled), list(queue.returned), sender.clock())
        began = time.monotonic()
        try:
            async with sender.db.brief() as connection:
                await self._write(connection, turn)
        except BaseException:
            # Whether the commit went through nobody knows. No content has left, so nothing is in doubt: what may have
            # become `sending` is given back with the next commit.
            queue.undo(turn.accepted, turn.stops)
            raise
        del queue.settled[: len(turn.settled)], queue.returned[: len(turn.returned)]
        self._count(turn.settled, turn.stopped)
        queue.look_again([one for one in turn.stops if one not in turn.stopped])
        queue.go(turn.accepted, turn.leaving, turn.kept, turn.now, is_late=time.monotonic() - began > FRESH_SECONDS)

    async def _write(self, connection: AsyncConnection, turn: "_Turn") -> None:
        sender, now = self.sender, turn.now
        scene = await self._scene(connection)
        # A refusal of what we no longer hold is another worker's to hear again.
        ours = [one for one in turn.settled if one.was_handed_over or scene.is_ours]
        await record.results(connection, ours, sender.desk.hasher, now)
        await record.give_back(connection, [mail.at_try for mail in turn.returned])
        self.is_ours = self.is_ours and scene.is_ours and not scene.is_paused
        if self._may_go_on:
            proposals = [*(mail.proposal for mail in turn.accepted), *turn.stops]
            found = await handing.confirm(connection, sender.desk.hasher, scene, proposals)
            turn.stopped = [one for one in turn.stops if one.id in found.confirmed]
            await ends.stop(connection, turn.stopped, scene, now)
            going = [mail for mail in turn.accepted if mail.proposal.id in found.confirmed]
            frozen = await handing.freeze(connection, scene, [(mail.proposal, mail.line.relay) for mail in going], now)
            turn.leaving = {mail for mail in going if mail.proposal.id in frozen}
            turn.kept = {mail for mail in turn.accepted if mail.proposal.id in found.held}
        # Last, for these rows are everybody's.
        await sender.gate.settle(connection, now)

    def _count(self, settled: list[record.Settled], stopped: list[handing.Proposal]) -> None:
        self.counts.update(record.count(settled))
        self.counts.update(ends.state_of(one.verdict).value for one in stopped)
        attempts.log(self.queue.attempts)
        self.queue.attempts = []

    async def _save(self) -> None:
        """Whatever ended the work: write down what was said of each mail, and let go of the Batch.

        What stays unwritten is in doubt once the lease is over, and goes out a second time.
        """
        queue, sender = self.queue, self.sender
        deadline = time.monotonic() + LAST_WORDS_SECONDS
        while True:
            try:
                async with sender.db.brief() as connection:
                    await record.results(
                        connection,
                        [one for one in queue.settled if one.was_handed_over],
                        sender.desk.hasher,
                        sender.clock(),
                    )
                    await record.give_back(connection, [mail.at_try for mail in queue.returned])
                    # Only now, with nothing on the wire: until then a crash must find a lease that ran out.
                    await lease.give_up(connection, self.batch.id, self.owner, models.BatchState.QUEUED)
                self._count(queue.settled, [])
                return
            except AWAY:
                if time.monotonic() > deadline:
                    log.error("results_lost", batch=self.batch.id, deliveries=len(queue.settled))
                    return
                await asyncio.sleep(OUTAGE_SECONDS[1])

    async def _finish(self) -> bool:
        """Mark the Batch done if nothing of it is left; what came back meanwhile is for the next look."""
        async with self.sender.db.brief() as connection:
            await ends.withhold_erased(connection, self.batch.id, self.sender.clock())
            left = await facts.waiting(connection, self.batch.id)
            if left:
                self.queue.todo.extend(left)
                return False
            await lease.give_up(connection, self.batch.id, self.owner, models.BatchState.DONE)
        self.is_ours = False
        return True
