"""`run_batch(id)`: the one task there is. Claims a Batch by lease, hands over, sends, and records in group commits.

Reads a Batch and its Deliveries; leaves their outcome. One loop does it all: each turn is one transaction that
records every result that has come in and hands over as many new Deliveries as connections are idle. So a connection
starts its next content only after its previous result is committed, and at most one mail per connection is ever
unrecorded. No transaction is open while anything is on a socket.
"""

import asyncio
import contextlib
import dataclasses
import random
import uuid
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import clock, database, errors
from digest.audience import models as audience
from digest.outbox import handing, handover, lease, models, outcomes, record, replies
from digest.outbox.transports import transport as transports

# Readers locked by an unsubscribe or another node are looked at again after this.
BUSY_SECONDS = 0.05
# When the database is away, results wait this long for it before their mails are left in doubt.
SAVE_AFTER_SECONDS = (0.0, 0.5, 1.5, 3.0)

log = structlog.get_logger()


@dataclasses.dataclass
class Sender:
    """All that sending needs. `stopping` set means: hand nothing over any more, finish what is on the wire."""

    db: database.Database
    desk: handing.Desk
    transport: transports.Transport
    clock: clock.Clock
    patience: outcomes.Patience
    stopping: asyncio.Event
    doubt_pause: timedelta = handover.DOUBT_PAUSE


async def run_batch(sender: Sender, batch_id: int) -> Counter[str]:
    """Send what this Batch holds; counts by Delivery state. Nothing happens if somebody else has it."""
    owner = uuid.uuid4().hex
    batch, doubtful = await lease.take(sender.db, batch_id, owner, sender.clock())
    if batch is None:
        return Counter()
    async with lease.renewed(sender.db, batch_id, owner):
        return +Counter(doubtful=doubtful) + await _Loop(sender, batch, owner).run()


class _Loop:
    """One Batch being sent: what is on the wire, and what came back but is not recorded yet."""

    def __init__(self, sender: Sender, batch: Any, owner: str) -> None:
        self.sender, self.batch, self.owner = sender, batch, owner
        self.on_wire: dict[asyncio.Task[record.Settled], handing.Handed] = {}
        self.settled: list[record.Settled] = []
        self.counts: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
        try:
            await self._work()
        finally:
            await self._save()
        return self.counts

    async def _work(self) -> None:
        is_ours = True
        while is_ours or self.on_wire or self.settled:
            is_ours, round_ = await self._turn(is_ours)
            if round_ and round_.wanted:
                await self.sender.desk.writer.prepare(round_.wanted)
            elif self.on_wire:
                await self._gather()
            elif is_ours and round_ and not round_.looked_at and await self._finish():
                break
            elif is_ours and round_ and not round_.stopped:
                await asyncio.sleep(BUSY_SECONDS)

    async def _turn(self, is_ours: bool) -> tuple[bool, handing.Round | None]:
        """One transaction: record what came in, hand over to idle connections. Then start sending."""
        sender, settled = self.sender, self.settled
        now = sender.clock()
        round_ = None
        async with sender.db.transaction() as connection:
            await record.results(connection, settled, sender.desk.hasher, now)
            is_ours = is_ours and await lease.extend(connection, self.batch.id, self.owner)
            if sender.stopping.is_set() or await lease.is_paused(connection, self.batch.edition_id):
                # Only once nothing is on the wire: until then a crash must find a lease that ran out.
                is_ours = is_ours and bool(self.on_wire)
                if not self.on_wire:
                    # The rest of the Batch is anybody's at once.
                    await lease.give_up(connection, self.batch.id, self.owner, models.BatchState.QUEUED)
            elif is_ours:
                free = sender.transport.connections - len(self.on_wire)
                round_ = await handing.hand_over(connection, sender.desk, self.batch, free, now)
        self._count_settled()
        if round_:
            self.counts.update(round_.stopped)
        for one in round_.handed if round_ else ():
            self.on_wire[asyncio.create_task(_send(sender, one))] = one
        return is_ours, round_

    async def _gather(self) -> None:
        """Wait for the next replies; those that arrive together are recorded together."""
        done, _ = await asyncio.wait(self.on_wire, return_when=asyncio.FIRST_COMPLETED)
        self.settled += [self._result(task) for task in done]

    def _result(self, task: asyncio.Task[record.Settled]) -> record.Settled:
        one, error = self.on_wire.pop(task), task.exception()
        if error is None:
            return task.result()
        # A bug that one mail brings out must not stop the others. Nobody knows how far it had come.
        log.error("mail_failed", delivery=one.row.id, exc_info=error)
        return _settled(self.sender, one, outcomes.Doubt(f"a bug in digest: {type(error).__name__}"), None)

    async def _save(self) -> None:
        """Whatever ended the work: hear what is said of mails on the wire, and write it down if the database lets us.

        What stays unwritten is in doubt once the lease is over, and goes out a second time.
        """
        if self.on_wire:
            await asyncio.wait(self.on_wire)
            self.settled += [self._result(task) for task in list(self.on_wire)]
        for seconds in SAVE_AFTER_SECONDS:
            if not self.settled:
                return
            await asyncio.sleep(seconds)
            with contextlib.suppress(SQLAlchemyError, OSError):
                async with self.sender.db.transaction() as connection:
                    await record.results(connection, self.settled, self.sender.desk.hasher, self.sender.clock())
                self._count_settled()

    def _count_settled(self) -> None:
        self.counts.update(record.state_of(one).value for one in self.settled)
        self.settled = []

    async def _finish(self) -> bool:
        """Mark the Batch done if nothing of it is left; rows locked by others are left for the next look."""
        delivery = models.Delivery
        left = sa.and_(
            delivery.batch_id == self.batch.id,
            database.among(delivery.state, models.OPEN),
            delivery.state.in_(handing.HANDED_OVER),
        )
        async with self.sender.db.transaction() as connection:
            await _withhold_erased(connection, left, self.sender.clock())
            if (await connection.execute(sa.select(delivery.id).where(left).limit(1))).first():
                return False
            await lease.give_up(connection, self.batch.id, self.owner, models.BatchState.DONE)
        return True


async def _withhold_erased(connection: AsyncConnection, left: sa.ColumnElement[bool], now: datetime) -> None:
    """Deliveries whose Subscription is gone can never be handed over."""
    delivery = models.Delivery
    gone = ~sa.exists().where(audience.Subscription.id == delivery.subscription_id)
    values = {"state": models.DeliveryState.WITHHELD, "reason": "erased", "finished_at": now}
    await connection.execute(sa.update(delivery).where(left, gone).values(values))


async def _send(sender: Sender, one: handing.Handed) -> record.Settled:
    try:
        letter = sender.desk.writer.letter(one.ready, one.row, sender.clock())
    except errors.DigestError as error:
        # One row that cannot be written as a mail must not stop the others.
        unwritable = outcomes.GiveUp(str(error), outcomes.Blame.ADDRESS, suppress=False, is_miss=True)
        return _settled(sender, one, unwritable, None)
    reply = await sender.transport.send(letter)
    now = sender.clock()
    attempt = outcomes.Attempt(one.row.tries + 1, now, _give_up_at(one))
    outcome = outcomes.judge(reply, attempt, random=random.random, patience=sender.patience)
    _log_attempt(one, reply, outcome)
    return _settled(sender, one, outcome, reply.code or None)


def _settled(sender: Sender, one: handing.Handed, outcome: outcomes.Outcome, code: int | None) -> record.Settled:
    occasion = one.occasion
    was_doubtful = one.row.state is models.DeliveryState.DOUBTFUL
    return record.Settled(
        delivery_id=one.row.id,
        tries=one.row.tries + 1,
        subscription_id=one.row.subscription_id,
        address_key=one.row.address_key,
        upto=one.row.upto if was_doubtful else one.upto,
        local_date=occasion.local_date if occasion else None,
        is_instant=bool(occasion and occasion.is_instant),
        handed_over_at=sender.clock(),
        was_doubtful=was_doubtful,
        doubts=one.row.doubts,
        outcome=outcome,
        code=code,
        doubt_pause=sender.doubt_pause,
    )


def _give_up_at(one: handing.Handed) -> datetime:
    """The next digest brings the same Articles, so there is no point in trying beyond it; but a doubtful mail is the
    better one to repeat, for it can be known as the same.
    """
    if one.occasion is None:
        created_at: datetime = one.row.created_at
        return created_at + handover.STALE_AFTER
    latest = one.occasion.planned_at + handover.STALE_AFTER
    next_due_at = None if one.row.state is models.DeliveryState.DOUBTFUL else one.occasion.next_due_at
    return min(latest, next_due_at) if next_due_at else latest


def _log_attempt(one: handing.Handed, reply: replies.Reply, outcome: outcomes.Outcome) -> None:
    log.info(
        "attempt",
        delivery=one.row.id,
        edition=one.row.edition_id,
        subscription=one.row.subscription_id,
        tries=one.row.tries + 1,
        code=reply.code,
        stage=str(reply.stage),
        outcome=type(outcome).__name__.lower(),
    )
