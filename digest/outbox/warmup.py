"""A new domain warms up: how many mails it may send a day, and which readers come first while that is too few.

A day's ceiling is some more than the busiest of the days before, so it grows as it is used, and a list that suddenly
is many times as long is let out slowly too. Reads readers and Deliveries, leaves rows of `rations`. Whoever must wait
is put off to the same hour of the next day; no reader is touched.
"""

import dataclasses
import datetime as dt
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import addresses, publications, sql
from digest.audience import models as audience
from digest.editions import models as editions
from digest.outbox import handover, models

# Providers ask for weeks of steady growth without doubling. From 100 this makes 1,000 on the fifth day, 100,000 on the
# fifteenth and a million on the twentieth.
FLOOR = 100
GROWTH = 1.6
# The days before that count: a monthly digest must find what the last one reached.
MEMORY = timedelta(days=45)
# Rations are taken from the day's row in portions, for everybody needs that row. The larger the portion, the more may
# be left unused by a process that ends.
SHARE = 20
PORTION = 500
# Editions whose cut is remembered: more than are ever sent at once.
MOST_CUTS = 1000
CAUSE = "the domain warms up"
REASON = f"{CAUSE}: today's mails go to those who waited longer"


def ceiling(busiest: int) -> int:
    """How many mails a day may have after a busiest day with so many."""
    return max(FLOOR, int(busiest * GROWTH))


@dataclasses.dataclass(frozen=True, order=True)
class Place:
    """A reader's place in the line: those who never had a digest, then by the date of the last, then by id."""

    last_date: date
    subscription_id: int


def place(last_date: date | None, subscription_id: int) -> Place:
    return Place(last_date or date.min, subscription_id)


@dataclasses.dataclass(frozen=True)
class Cut:
    """The last reader in line who is served today; None: there is enough for all."""

    last: Place | None
    is_filled: bool
    tomorrow_at: datetime

    def wait(self, last_date: date | None, subscription_id: int, now: datetime) -> handover.Wait | None:
        """Until when this reader has to wait, if at all."""
        if self.last is None:
            return None
        if not self.is_filled:
            return handover.Wait(now + handover.LOOK_AGAIN, f"{CAUSE}: others may have waited longer")
        if place(last_date, subscription_id) <= self.last:
            return None
        return handover.Wait(self.tomorrow_at, REASON)


def next_day(planned_at: datetime, now: datetime) -> datetime:
    """The hour the Edition was meant for, on the next day that has a ration of its own."""
    days = max((now.date() - planned_at.date()).days + 1, 1)
    return planned_at + timedelta(days=days)


class Rations:
    """The rations as one process sees them: which domains have used up theirs, and who comes first."""

    def __init__(self) -> None:
        self._used_up: dict[str, date] = {}
        self._cuts: dict[int, tuple[tuple[date, bool], Cut]] = {}

    def is_used_up(self, domain: str, now: datetime) -> bool:
        return self._used_up.get(domain) == now.date()

    async def take(self, connection: AsyncConnection, domain: str, count: int, now: datetime) -> int:
        """How many of so many mails may leave today."""
        day = await _day(connection, domain, now.date())
        granted = max(min(count, day.left, max(day.left // SHARE, 1), PORTION), 0)
        await _use(connection, domain, now.date(), granted)
        if day.left <= granted:
            self._used_up[domain] = now.date()
        return granted

    async def owe(self, connection: AsyncConnection, domain: str, count: int, now: datetime) -> None:
        """Notices never wait for a ration, but they count."""
        await _day(connection, domain, now.date())
        await _use(connection, domain, now.date(), count)

    async def cut(self, connection: AsyncConnection, domain: str, edition: Any, now: datetime) -> Cut:
        """Who of this Edition is served today. Asked once per day, and once more when it has been filled."""
        is_filled = edition.state is not editions.EditionState.PLANNED
        key = (now.date(), is_filled)
        if edition.id not in self._cuts or self._cuts[edition.id][0] != key:
            if len(self._cuts) >= MOST_CUTS:
                self._cuts.clear()
            last = await _last_served(connection, domain, now)
            self._cuts[edition.id] = key, Cut(last, is_filled, next_day(edition.planned_at, now))
        return self._cuts[edition.id][1]


@dataclasses.dataclass(frozen=True)
class Day:
    """One domain's day, for people to see and for rations to be taken from."""

    domain: str
    ceiling: int
    used: int

    @property
    def left(self) -> int:
        return self.ceiling - self.used


async def today(connection: AsyncConnection, now: datetime) -> list[Day]:
    """Today of every domain that has used some of it."""
    ration = models.Ration
    names = (await connection.execute(sa.select(ration.domain).where(ration.day == now.date()))).scalars()
    return [await _look(connection, domain, now.date()) for domain in sorted(names)]


async def prune(connection: AsyncConnection, now: datetime) -> None:
    """Forget days that no ceiling asks for any more."""
    await connection.execute(sa.delete(models.Ration).where(models.Ration.day < now.date() - 2 * MEMORY))


async def _look(connection: AsyncConnection, domain: str, day: date) -> Day:
    ration = models.Ration
    days = sa.select(ration.day, ration.used).where(ration.domain == domain, ration.day >= day - MEMORY)
    used = {row.day: row.used for row in await connection.execute(days.where(ration.day <= day))}
    return Day(domain, ceiling(max((count for on, count in used.items() if on < day), default=0)), used.get(day, 0))


async def _day(connection: AsyncConnection, domain: str, day: date) -> Day:
    """Today's row, begun and locked."""
    ration = models.Ration
    new = sql.insert(connection, ration).values(domain=domain, day=day, used=0)
    await connection.execute(new.on_conflict_do_nothing())
    await connection.execute(_of(sa.select(ration.used), domain, day).with_for_update())
    return await _look(connection, domain, day)


async def _use(connection: AsyncConnection, domain: str, day: date, count: int) -> None:
    ration = models.Ration
    await connection.execute(_of(sa.update(ration), domain, day).values(used=ration.used + count))


def _of(statement: Any, domain: str, day: date) -> Any:
    return statement.where(models.Ration.domain == domain, models.Ration.day == day)


async def _last_served(connection: AsyncConnection, domain: str, now: datetime) -> Place | None:
    """The last reader in line who gets a mail today; None if there is enough for all.

    In line are the readers of all that waits to be sent, and of all that is due later today: their time zone must not
    decide who is served.
    """
    left = (await _look(connection, domain, now.date())).left
    ids = await _publications(connection, domain)
    line = sa.union(_waiting(ids, now), _due_later(ids, now)).subquery("line")
    statement = sa.select(line.c.last_date, line.c.id).order_by(line.c.last_date.asc().nulls_first(), line.c.id)
    # One more than can be served, to see whether anybody is left over.
    rows = (await connection.execute(statement.offset(max(left - 1, 0)).limit(2))).all()
    if left <= 0 and rows:
        return place(None, 0)
    return place(*rows[0]) if len(rows) == 2 else None


async def _publications(connection: AsyncConnection, domain: str) -> list[int]:
    publication = publications.Publication
    rows = (await connection.execute(sa.select(publication.id, publication.spec))).all()
    return [id_ for id_, spec in rows if _domain(spec) == domain]


def _domain(spec: dict[str, Any]) -> str:
    return addresses.parse(publications.load(spec).sender_address).domain


def _waiting(publication_ids: Sequence[int], now: datetime) -> Any:
    delivery, reader, edition = models.Delivery, audience.Subscription, editions.Edition
    is_ours = sa.and_(editions.is_open_as(editions.EditionState.FILLED), edition.publication_id.in_(publication_ids))
    states = (models.DeliveryState.QUEUED, models.DeliveryState.DEFERRED)
    is_due = sa.or_(delivery.retry_at.is_(None), delivery.retry_at < _tomorrow(now))
    return (
        sa.select(reader.last_date, reader.id)
        .join(delivery, delivery.subscription_id == reader.id)
        .join(edition, edition.id == delivery.edition_id)
        .where(is_ours, sql.among(delivery.state, models.OPEN), delivery.state.in_(states), is_due)
    )


def _due_later(publication_ids: Sequence[int], now: datetime) -> Any:
    """Readers of Editions that are being filled or come later today. Some of them will get nothing, for nothing is
    new to them; what is kept for those goes to the last in line of the last Edition of the day.
    """
    reader, cadence, edition = audience.Subscription, audience.Cadence, editions.Edition
    is_filling = sa.exists().where(edition.cadence_id == cadence.id, editions.is_open_as(editions.EditionState.PLANNED))
    is_due = sa.and_(cadence.next_due_at > now, cadence.next_due_at < _tomorrow(now))
    return (
        sa.select(reader.last_date, reader.id)
        .join(cadence, cadence.id == reader.cadence_id)
        .where(cadence.publication_id.in_(publication_ids), sa.or_(is_filling, is_due))
        .where(reader.state == audience.SubscriptionState.ACTIVE)
        .where(sa.or_(reader.last_date.is_(None), reader.last_date < now.date()))
    )


def _tomorrow(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), dt.time(), now.tzinfo)
