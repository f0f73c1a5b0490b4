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
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import clock, database, errors
from digest.audience import models as audience
from digest.outbox import handing, handover, models, outcomes, record, replies
from digest.outbox.transports import transport as transports

# A worker that died is found out after this many seconds; renewing three times as often survives two lost renewals.
LEASE_SECONDS = 10
RENEW_SECONDS = 3
# Readers locked by an unsubscribe or another node are looked at again after this.
BUSY_SECONDS = 0.05

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


async def find_due(db: database.Database) -> int | None:
    """The most urgent Batch that nobody holds, or whose holder has gone."""
    batch = models.Batch
    async with db.reading() as connection:
        statement = sa.select(batch.id).where(_is_free()).order_by(batch.priority, batch.id).limit(1)
        return (await connection.execute(statement)).scalar()


def _is_free() -> sa.ColumnElement[bool]:
    batch = models.Batch
    expired = sa.and_(batch.state == models.BatchState.RUNNING, batch.lease_until < database.clock_now())
    return sa.and_(batch.state != models.BatchState.DONE, sa.or_(batch.state == models.BatchState.QUEUED, expired))


async def run_batch(sender: Sender, batch_id: int) -> Counter[str]:
    """Send what this Batch holds; counts by Delivery state. Nothing happens if somebody else has it."""
    owner = uuid.uuid4().hex
    batch = await _claim(sender, batch_id, owner)
    if batch is None:
        return Counter()
    async with _renewed(sender, batch_id, owner):
        return await _Loop(sender, batch, owner).run()


async def _claim(sender: Sender, batch_id: int, owner: str) -> Any:
    """Take the Batch by conditional UPDATE; what a vanished holder had handed over is in doubt from now on."""
    batch = models.Batch
    taken = (
        sa.update(batch)
        .where(batch.id == batch_id, _is_free())
        .values(
            state=models.BatchState.RUNNING,
            owner=owner,
            lease_until=database.clock_after(LEASE_SECONDS),
            tries=batch.tries + 1,
        )
        .returning(batch.id, batch.edition_id, batch.tries)
    )
    async with sender.db.transaction() as connection:
        row = (await connection.execute(taken)).one_or_none()
        if row is not None and (doubtful := await record.vanished(connection, batch_id, sender.clock())):
            log.warning("batch_taken_over", batch=batch_id, doubtful=doubtful)
        return row


@contextlib.asynccontextmanager
async def _renewed(sender: Sender, batch_id: int, owner: str) -> AsyncIterator[None]:
    """Renew the lease apart from the sending loop, which may be busy composing."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            async with sender.db.transaction() as connection:
                await _extend(connection, batch_id, owner)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _extend(connection: AsyncConnection, batch_id: int, owner: str) -> bool:
    """Whether we still hold the Batch; if so for LEASE_SECONDS more."""
    batch = models.Batch
    held = sa.update(batch).where(batch.id == batch_id, batch.owner == owner, batch.state == models.BatchState.RUNNING)
    result = await connection.execute(held.values(lease_until=database.clock_after(LEASE_SECONDS)))
    return result.rowcount == 1


class _Loop:
    """One Batch being sent: what is on the wire, and what came back but is not recorded yet."""

    def __init__(self, sender: Sender, batch: Any, owner: str) -> None:
        self.sender, self.batch, self.owner = sender, batch, owner
        self.on_wire: set[asyncio.Task[record.Settled]] = set()
        self.settled: list[record.Settled] = []
        self.counts: Counter[str] = Counter()

    async def run(self) -> Counter[str]:
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
        return self.counts

    async def _turn(self, is_ours: bool) -> tuple[bool, handing.Round | None]:
        """One transaction: record what came in, hand over to idle connections. Then start sending."""
        sender, settled = self.sender, self.settled
        now = sender.clock()
        round_ = None
        async with sender.db.transaction() as connection:
            await record.results(connection, settled, sender.desk.hasher, now)
            is_ours = is_ours and await _extend(connection, self.batch.id, self.owner)
            if sender.stopping.is_set():
                # Only once nothing is on the wire: until then a crash must find a lease that ran out.
                is_ours = is_ours and bool(self.on_wire)
                if not self.on_wire:
                    await self._give_back(connection)
            elif is_ours:
                free = sender.transport.connections - len(self.on_wire)
                round_ = await handing.hand_over(connection, sender.desk, self.batch, free, now)
        self.counts.update(_name(one) for one in settled)
        if round_:
            self.counts.update(round_.stopped)
        self.settled = []
        for one in round_.handed if round_ else ():
            self.on_wire.add(asyncio.create_task(_send(sender, one)))
        return is_ours, round_

    async def _gather(self) -> None:
        """Wait for the next replies; those that arrive together are recorded together."""
        done, self.on_wire = await asyncio.wait(self.on_wire, return_when=asyncio.FIRST_COMPLETED)
        self.settled = [task.result() for task in done]

    async def _give_back(self, connection: AsyncConnection) -> None:
        """On SIGTERM the rest of the Batch is anybody's at once."""
        batch = models.Batch
        held = sa.update(batch).where(batch.id == self.batch.id, batch.owner == self.owner)
        await connection.execute(held.values(state=models.BatchState.QUEUED, owner=None, lease_until=None))

    async def _finish(self) -> bool:
        """Mark the Batch done if nothing of it is left; rows locked by others are left for the next look."""
        delivery, batch = models.Delivery, models.Batch
        left = sa.and_(
            delivery.batch_id == self.batch.id,
            database.among(delivery.state, models.OPEN),
            delivery.state.in_(handing.HANDED_OVER),
        )
        async with self.sender.db.transaction() as connection:
            await _withhold_erased(connection, left, self.sender.clock())
            if (await connection.execute(sa.select(delivery.id).where(left).limit(1))).first():
                return False
            held = sa.update(batch).where(batch.id == self.batch.id, batch.owner == self.owner)
            await connection.execute(held.values(state=models.BatchState.DONE, owner=None, lease_until=None))
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
        return _settled(sender, one, outcomes.GiveUp(str(error), outcomes.Blame.ADDRESS, suppress=False), None)
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
    )


def _give_up_at(one: handing.Handed) -> datetime:
    """The next digest brings the same Articles, so there is no point in trying beyond it."""
    if one.occasion is None:
        created_at: datetime = one.row.created_at
        return created_at + handover.STALE_AFTER
    latest = one.occasion.planned_at + handover.STALE_AFTER
    next_due_at = one.occasion.next_due_at
    return min(latest, next_due_at) if next_due_at else latest


def _name(one: record.Settled) -> str:
    """The Delivery state a result leads to, for the count of a run."""
    return record.state_of(one).value


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
