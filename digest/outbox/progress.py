"""How far Editions have come, and how much waits: counted from the rows each time, so it is always true.

Reads Deliveries, Batches and Editions; leaves nothing. There is no counter to keep: it would be one more write for each
mail, and wrong after the first crash. `of_editions` reads every row of the Editions asked for, some 0.3 s for a
million; `in_batches`, `totals` and `waiting` read indexes only and may be asked every few seconds.
"""

import dataclasses
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import sql
from digest.editions import models as editions
from digest.outbox import models

# What was accepted in this time tells the rate.
WINDOW = timedelta(minutes=1)
# A rate over less than this says more about chance than about speed.
SHORTEST = timedelta(seconds=1)

# The longest class of trouble has 37 letters, and a colon after it.
REASON_CLASS = 38

State = models.DeliveryState
ENDED = tuple(state for state in State if state not in models.OPEN)


@dataclasses.dataclass(frozen=True)
class Progress:
    """What became of an Edition's Deliveries so far. `rate`: accepted per second of late."""

    counts: dict[State, int]
    rate: float = 0.0

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        return sum(self.counts[state] for state in ENDED)

    @property
    def share(self) -> float:
        """From 0 to 1; nothing to do is done."""
        return self.done / self.total if self.total else 1.0

    @property
    def left(self) -> timedelta | None:
        """How long the mails that could leave now will take at this rate; None if nothing moves.

        Deferred and doubtful ones wait for a time of their own, which no rate shortens.
        """
        ahead = self.counts[State.QUEUED] + self.counts[State.SENDING]
        if not ahead:
            return timedelta(0)
        return timedelta(seconds=ahead / self.rate) if self.rate else None


def _counts(values: dict[State, int] | None = None) -> dict[State, int]:
    return dict.fromkeys(State, 0) | (values or {})


async def of_editions(connection: AsyncConnection, ids: Collection[int], now: datetime) -> dict[int, Progress]:
    """The Progress of each of these Editions."""
    delivery = models.Delivery
    is_recent = sa.and_(delivery.state == State.SENT, delivery.finished_at > now - WINDOW)
    columns = [
        # One sum for each state instead of GROUP BY state, for which SQLite sorts all rows first: half the time.
        *(sa.func.count().filter(delivery.state == state).label(state.value) for state in State),
        sa.func.count().filter(is_recent).label("recent"),
        sa.func.min(delivery.finished_at).filter(is_recent).label("since"),
    ]
    statement = sa.select(delivery.edition_id, *columns).group_by(delivery.edition_id)
    rows = await connection.execute(statement.where(delivery.edition_id.in_(list(ids))))
    found = {row.edition_id: row for row in rows}
    settled = await _settled(connection, ids)
    return {id_: _progress(found.get(id_), settled.get(id_, 0), now) for id_ in ids}


async def troubles(connection: AsyncConnection, edition_id: int) -> dict[str, int]:
    """Deliveries of an Edition that did not simply go, by the words their reasons open with, the most first."""
    delivery = models.Delivery
    terms = (delivery.edition_id == edition_id, delivery.reason.is_not(None), delivery.state != State.SENT)
    return await _by_reason(connection, *terms)


async def reasons_to_wait(connection: AsyncConnection) -> dict[str, int]:
    """Why Deliveries of all Editions and notices wait for another try, the most frequent first."""
    return await _by_reason(connection, sql.among(models.Delivery.state, models.WAITING))


async def _by_reason(connection: AsyncConnection, *terms: sa.ColumnElement[bool]) -> dict[str, int]:
    # Cut short in the database: whole reasons, with the servers' own words, are as many as mails.
    words = sa.func.substr(sa.func.coalesce(models.Delivery.reason, "no reason"), 1, REASON_CLASS)
    statement = sa.select(words.label("words"), sa.func.count()).where(*terms)
    found: Counter[str] = Counter()
    for text, count in await connection.execute(statement.group_by(sa.text("words"))):
        found[text.partition(":")[0]] += count
    return dict(found.most_common())


async def _settled(connection: AsyncConnection, ids: Collection[int]) -> dict[int, int]:
    """Readers for whom fill found nothing at once: they never had a Delivery."""
    edition = editions.Edition
    rows = await connection.execute(sa.select(edition.id, edition.settled).where(edition.id.in_(list(ids))))
    return {row.id: row.settled for row in rows}


def _progress(row: Any, settled: int, now: datetime) -> Progress:
    counts = _counts({state: getattr(row, state.value) for state in State} if row else None)
    counts[State.EMPTY] += settled
    return Progress(counts, rate_of(row.recent, row.since, now) if row else 0.0)


def rate_of(count: int, since: datetime | None, now: datetime) -> float:
    """Accepted per second, over WINDOW or since the first of them."""
    if since is None:
        return 0.0
    return count / max(now - since, SHORTEST).total_seconds()


async def in_batches(connection: AsyncConnection) -> dict[int | None, int]:
    """Deliveries in Batches that have not ended, by Edition; None stands for notices.

    Counted by Batch within their index, then added up: a million takes less than a tenth of a second.
    """
    delivery, batch = models.Delivery, models.Batch
    counted = (
        sa.select(delivery.batch_id, sa.func.count().label("count"))
        .where(sql.among(delivery.state, models.OPEN), delivery.batch_id.is_not(None))
        .group_by(delivery.batch_id)
        .subquery()
    )
    statement = sa.select(batch.edition_id, sa.func.sum(counted.c.count).label("count"))
    rows = await connection.execute(statement.join(counted, counted.c.batch_id == batch.id).group_by(batch.edition_id))
    return {row[0]: int(row[1]) for row in rows}


async def totals(connection: AsyncConnection, ids: Collection[int]) -> dict[int, int]:
    """How many Deliveries these Editions have, ended or not. Reads the index alone."""
    delivery = models.Delivery
    statement = sa.select(delivery.edition_id, sa.func.count()).where(delivery.edition_id.in_(list(ids)))
    rows = await connection.execute(statement.group_by(delivery.edition_id))
    found = {int(edition_id or 0): count for edition_id, count in rows}
    return dict.fromkeys(ids, 0) | found


async def waiting(connection: AsyncConnection) -> dict[State, int]:
    """Open Deliveries by state, of Editions and notices. Walks the partial indexes, and reads hardly any row."""
    delivery = models.Delivery
    flights = sa.select(delivery.state, sa.func.count()).where(sql.among(delivery.state, models.IN_FLIGHT))
    rows = (await connection.execute(flights.group_by(delivery.state))).all()
    counts = _counts({row[0]: row[1] for row in rows})
    all_open, to_retry = await _how_many(connection, models.OPEN), await _how_many(connection, models.WAITING)
    counts[State.DEFERRED] = max(to_retry - counts[State.DOUBTFUL], 0)
    counts[State.QUEUED] = max(all_open - to_retry - counts[State.SENDING], 0)
    return {state: counts[state] for state in models.OPEN}


async def _how_many(connection: AsyncConnection, states: Collection[State]) -> int:
    statement = sa.select(sa.func.count()).select_from(models.Delivery)
    found = await connection.execute(statement.where(sql.among(models.Delivery.state, states)))
    return int(found.scalar_one())


async def due_batches(connection: AsyncConnection) -> int:
    """Batches that nobody holds yet."""
    batch = models.Batch
    is_due = sa.and_(batch.state != models.BatchState.DONE, batch.state == models.BatchState.QUEUED)
    return int((await connection.execute(sa.select(sa.func.count()).where(is_due))).scalar_one())


async def oldest_due(connection: AsyncConnection, now: datetime) -> datetime | None:
    """Since when the oldest mail waits that could leave now: an Edition's, a notice, or a retry; None if none waits.

    What the operator has paused or holds is not due.
    """
    edition, batch, delivery = editions.Edition, models.Batch, models.Delivery
    unfinished = batch.state != models.BatchState.DONE
    is_stopped = sa.and_(sql.among(edition.state, editions.OPEN), edition.paused_at.is_not(None))
    of_editions_ = sa.select(sa.func.min(edition.planned_at)).where(
        editions.is_open_as(editions.EditionState.FILLED),
        edition.paused_at.is_(None),
        edition.id.in_(sa.select(batch.edition_id).where(unfinished, batch.edition_id.is_not(None))),
    )
    of_notices = sa.select(sa.func.min(delivery.created_at)).where(
        sql.among(delivery.state, models.OPEN),
        delivery.batch_id.in_(sa.select(batch.id).where(unfinished, batch.edition_id.is_(None))),
    )
    of_retries = sa.select(sa.func.min(delivery.retry_at)).where(
        sql.among(delivery.state, models.WAITING),
        delivery.state == State.DEFERRED,
        delivery.retry_at <= now,
        sa.func.coalesce(delivery.edition_id, 0).not_in(sa.select(edition.id).where(is_stopped)),
    )
    found = [(await connection.execute(one)).scalar() for one in (of_editions_, of_notices, of_retries)]
    return min((at for at in found if at), default=None)


async def open_editions(connection: AsyncConnection) -> dict[str, int]:
    """Editions that are not over, by state; paused ones apart."""
    edition = editions.Edition
    is_open, is_paused = sql.among(edition.state, editions.OPEN), edition.paused_at.is_not(None)
    rows = await connection.execute(
        sa.select(edition.state, is_paused, sa.func.count()).where(is_open).group_by(edition.state, is_paused)
    )
    counts = dict.fromkeys((*map(str, editions.OPEN), "paused"), 0)
    for state, paused, count in rows:
        counts["paused" if paused else str(state)] += count
    return counts
