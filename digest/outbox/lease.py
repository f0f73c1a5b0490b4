"""Who holds a Batch: taken by conditional UPDATE, kept by renewing, lost by silence, given back or marked done.

Leaves `owner`, `lease_until` and the state of Batches. Times are the database's own, so that neither a virtual clock
nor two machines that disagree can free a Batch that is being sent.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql
from digest.editions import models as editions
from digest.outbox import ends, models

# A worker that died is found out after this many seconds; renewing three times as often survives two lost renewals.
LEASE_SECONDS = 10
RENEW_SECONDS = 3
# No Batch has a higher number.
LEAST_URGENT = 1000

log = structlog.get_logger()


async def find_due(db: database.Database, but: Collection[int] = (), *, priority: int | None = None) -> int | None:
    """The most urgent Batch that is free, not in `but` and not of a paused Edition; no less urgent than `priority`."""
    values = {"but": list(but), "most": LEAST_URGENT if priority is None else priority}
    async with db.glance() as connection:
        return (await connection.execute(_DUE, values)).scalar()


def is_free() -> sa.ColumnElement[bool]:
    """Nobody holds this Batch, or its holder has gone."""
    batch = models.Batch
    expired = sa.and_(batch.state == models.BatchState.RUNNING, batch.lease_until < sql.clock_now())
    # One whose holder has gone is taken also while its Edition is paused: what was on the wire must become doubt.
    queued = sa.and_(batch.state == models.BatchState.QUEUED, ~_is_paused())
    # Written out, as the index on Batches that are not done has it.
    is_open = batch.state != sa.literal_column("'done'")
    return sa.and_(is_open, sa.or_(queued, expired))


def _is_paused() -> sa.ColumnElement[bool]:
    """A list of the few paused Editions, rather than a look per Batch. Notices have none, and NULL is in no list."""
    edition = editions.Edition
    paused = sa.select(edition.id).where(sql.among(edition.state, editions.OPEN), edition.paused_at.is_not(None))
    return sa.func.coalesce(models.Batch.edition_id, 0).in_(paused)


async def take(db: database.Database, batch_id: int, owner: str, now: datetime) -> tuple[Any, int]:
    """The Batch's row if it is ours now, else None.

    What a vanished holder had handed over is in doubt from then on, and how many mails that is comes with the row.
    """
    async with db.brief() as connection:
        row = (await connection.execute(_TAKEN, {"p_batch": batch_id, "p_owner": owner})).one_or_none()
        doubtful = await ends.vanished(connection, batch_id, now) if row is not None else 0
    if doubtful:
        log.warning("batch_taken_over", batch=batch_id, doubtful=doubtful)
    return row, doubtful


def _due() -> Any:
    batch = models.Batch
    free = sa.select(batch.id).where(is_free(), ~sql.listed(batch.id, "but"), batch.priority <= sa.bindparam("most"))
    return free.order_by(batch.priority, batch.id).limit(sa.literal_column("1"))


def _taken() -> Any:
    batch = models.Batch
    values = {
        "state": models.BatchState.RUNNING,
        "owner": sa.bindparam("p_owner"),
        "lease_until": sql.clock_after(LEASE_SECONDS),
        "tries": batch.tries + 1,
    }
    taken = sa.update(batch).where(batch.id == sa.bindparam("p_batch"), is_free()).values(values)
    return taken.returning(batch.id, batch.edition_id, batch.tries)


# Built once, for every worker asks several times a second.
_DUE, _TAKEN = _due(), _taken()


@contextlib.asynccontextmanager
async def renewed(db: database.Database, batch_id: int, owner: str) -> AsyncIterator[None]:
    """Renew the lease apart from the sending loop, which may be busy composing."""

    async def renew() -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            # A database that is away for a moment must not end renewing: the next one may still be in time.
            with contextlib.suppress(SQLAlchemyError, OSError):
                async with db.brief() as connection:
                    await extend(connection, batch_id, owner)

    task = asyncio.create_task(renew())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def extend(connection: AsyncConnection, batch_id: int, owner: str) -> bool:
    """Whether we still hold the Batch; if so for LEASE_SECONDS more."""
    batch = models.Batch
    held = sa.and_(batch.id == batch_id, batch.owner == owner, batch.state == models.BatchState.RUNNING)
    kept = sa.update(batch).where(held).values(lease_until=sql.clock_after(LEASE_SECONDS))
    return (await connection.execute(kept)).rowcount == 1


async def give_up(connection: AsyncConnection, batch_id: int, owner: str, state: models.BatchState) -> None:
    """Leave the Batch in this state, unless somebody else has taken it from us."""
    batch = models.Batch
    held = sa.update(batch).where(batch.id == batch_id, batch.owner == owner)
    await connection.execute(held.values(state=state, owner=None, lease_until=None))
