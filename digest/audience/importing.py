"""The import of a list of readers: rows in, Subscriptions out, a reason for each row refused.

Works in transactions of some thousand rows, each safe to repeat: an import that was cut short is simply run again.
Never revives who left, was erased, or may not be written to. Leaves Subscriptions, Cadences and Change rows.
"""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications, sql
from digest.audience import models, preferences, rows, standing, start, suppression, trail

# One transaction's worth: some 50 ms of SQLite's only write lock, so that mail leaves while a list comes in.
SLICE = 500

State = models.SubscriptionState


@dataclass(frozen=True, slots=True)
class Order:
    """How to import: `confirmed` when the readers' consent is on record, `ask` to send the others a request."""

    publication: sa.Row[Any]
    hasher: suppression.Hasher
    now: datetime
    confirmed: bool = False
    ask: bool = False


@dataclass(slots=True)
class Report:
    imported: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: list[tuple[int, str]] = field(default_factory=list)


async def run(db: database.Database, source: Iterable[rows.Row | rows.BadRow], order: Order) -> Report:
    """Import every good row."""
    report, intake = Report(), _Intake(order)
    for chunk in _slices(source):
        good = _sorted_out(chunk, report)
        async with db.transaction() as connection:
            outcome = await intake.take(connection, good)
        # Only now, so that a report never tells of rows whose transaction failed.
        report.imported += outcome.imported
        report.updated += outcome.updated
        report.unchanged += outcome.unchanged
        report.refused += outcome.refused
    report.refused.sort()
    return report


def _slices(source: Iterable[rows.Row | rows.BadRow]) -> Iterator[list[rows.Row | rows.BadRow]]:
    whole = iter(source)
    while chunk := list(itertools.islice(whole, SLICE)):
        yield chunk


def _sorted_out(chunk: list[rows.Row | rows.BadRow], report: Report) -> dict[str, rows.Row]:
    """The good rows by address key; of two for one address the later counts, as it would in an import of its own."""
    good: dict[str, rows.Row] = {}
    for row in chunk:
        if isinstance(row, rows.BadRow):
            report.refused.append((row.line, row.reason))
            continue
        earlier = good.get(row.address.key)
        if earlier is not None:
            report.updated += 1
            row = _over(earlier, row)
        good[row.address.key] = row
    return good


def _over(earlier: rows.Row, later: rows.Row) -> rows.Row:
    said = {name: value for name in preferences.Wish.__slots__ if (value := getattr(later.wish, name)) is not None}
    return replace(
        later,
        name=later.name if later.name is not None else earlier.name,
        locale=later.locale if later.locale is not None else earlier.locale,
        wish=replace(earlier.wish, **said),
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of one slice's addresses."""

    suppressed: dict[str, models.SuppressionReason]
    subscriptions: dict[str, sa.Row[Any]]


class _Intake:
    """Takes slices in; remembers across them which ids and starting points go with which choice."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.spec = publications.load(order.publication.spec)
        self._choices: dict[tuple[preferences.Wish, preferences.Choice | None], preferences.Choice | str] = {}
        self._cadences: dict[preferences.Choice, int] = {}
        self._topic_sets: dict[tuple[str, ...] | None, int | None] = {}
        self._starts: dict[tuple[str, ...] | None, int] = {}

    async def take(self, connection: AsyncConnection, good: dict[str, rows.Row]) -> Report:
        report = Report()
        if not good:
            return report
        known = await self._look_up(connection, good)
        fresh: list[tuple[rows.Row, preferences.Choice]] = []
        for key, row in good.items():
            subscription = known.subscriptions.get(key)
            try:
                self._refuse(known.suppressed.get(key), subscription)
                choice = self._choice(row.wish, None if subscription is None else standing.choice(subscription))
            except errors.DigestError as error:
                report.refused.append((row.line, str(error)))
                continue
            if subscription is None:
                fresh.append((row, choice))
            elif await self._renew(connection, subscription, row, choice):
                report.updated += 1
            else:
                report.unchanged += 1
        report.imported = await self._add(connection, fresh)
        # Whoever another node added in the very same moment is theirs, and as good as unchanged to us.
        report.unchanged += len(fresh) - report.imported
        return report

    async def _look_up(self, connection: AsyncConnection, good: dict[str, rows.Row]) -> _Known:
        suppressed = await suppression.covered(connection, self.order.hasher, good)
        found = await connection.execute(_existing(self.order.publication.id, list(good)))
        return _Known(suppressed, {row.address_key: row for row in found})

    @staticmethod
    def _refuse(reason: models.SuppressionReason | None, subscription: sa.Row[Any] | None) -> None:
        if reason is not None:
            raise rows.RowError(f"is suppressed ({reason}): not revived")
        # A request to confirm that nobody answered does not make a reader who left one who did not.
        if subscription is not None and subscription.left_at is not None:
            raise rows.RowError(f"unsubscribed on {subscription.left_at:%Y-%m-%d}: not revived")

    def _choice(self, wish: preferences.Wish, current: preferences.Choice | None) -> preferences.Choice:
        """Readers of a list resemble each other, so each wish is judged once."""
        key = (wish, current)
        if key not in self._choices:
            try:
                self._choices[key] = preferences.fulfil(self.spec, wish, current)
            except errors.DigestError as error:
                self._choices[key] = str(error)
        choice = self._choices[key]
        if isinstance(choice, str):
            raise rows.RowError(choice)
        return choice

    async def _ids(self, connection: AsyncConnection, choice: preferences.Choice) -> dict[str, Any]:
        publication_id, now = self.order.publication.id, self.order.now
        timing = replace(choice, topics=None)
        if timing not in self._cadences:
            self._cadences[timing] = await preferences.cadence_id(connection, publication_id, timing, now)
        if choice.topics not in self._topic_sets:
            found = await preferences.topic_set_id(connection, publication_id, choice.topics)
            self._topic_sets[choice.topics] = found
        return {"cadence_id": self._cadences[timing], "topic_set_id": self._topic_sets[choice.topics]}

    async def _covered_to(self, connection: AsyncConnection, topics: tuple[str, ...] | None) -> int:
        if topics not in self._starts:
            wanted = None if topics is None else frozenset(topics)
            self._starts[topics] = await start.covered_to(
                connection, self.order.publication.id, wanted, self.spec.first_articles
            )
        return self._starts[topics]

    async def _add(self, connection: AsyncConnection, fresh: list[tuple[rows.Row, preferences.Choice]]) -> int:
        if not fresh:
            return 0
        ids = await self._subscriber_ids(connection, [row for row, _ in fresh])
        values = [
            {"subscriber_id": ids[row.address.key]} | await self._subscription(connection, row, choice)
            for row, choice in fresh
        ]
        new = sql.insert(connection, models.Subscription).on_conflict_do_nothing()
        added = (await connection.execute(new.returning(models.Subscription.id), values)).scalars().all()
        await self._record(connection, added)
        return len(added)

    async def _subscriber_ids(self, connection: AsyncConnection, new: list[rows.Row]) -> dict[str, int]:
        values = [
            {"email": r.address.spelling, "key": r.address.key, "name": r.name or "", "created_at": self.order.now}
            # In one order everywhere, or two imports at once could wait for each other for ever.
            for r in sorted(new, key=lambda row: row.address.key)
        ]
        await connection.execute(sql.insert(connection, models.Subscriber).on_conflict_do_nothing(), values)
        keys = [value["key"] for value in values]
        found = await connection.execute(
            sa.select(models.Subscriber.key, models.Subscriber.id).where(models.Subscriber.key.in_(keys))
        )
        return {row.key: row.id for row in found}

    async def _subscription(
        self, connection: AsyncConnection, row: rows.Row, choice: preferences.Choice
    ) -> dict[str, Any]:
        values = await self._ids(connection, choice) | {
            "publication_id": self.order.publication.id,
            "locale": row.locale,
            "created_at": self.order.now,
            "state": State.PENDING,
            "covered_to": 0,
            "confirmed_at": None,
            "notice_due": "confirm" if self.order.ask else None,
        }
        if self._is_confirmed(row):
            values |= await self._active(connection, choice)
        return values

    def _is_confirmed(self, row: rows.Row) -> bool:
        return self.order.confirmed and not row.is_pending

    async def _active(self, connection: AsyncConnection, choice: preferences.Choice) -> dict[str, Any]:
        # No welcome: these are readers already, and a mail to a whole list at once is nobody's wish.
        return {
            "state": State.ACTIVE,
            "covered_to": await self._covered_to(connection, choice.topics),
            "confirmed_at": self.order.now,
            "notice_due": None,
        }

    async def _renew(
        self, connection: AsyncConnection, subscription: sa.Row[Any], row: rows.Row, choice: preferences.Choice
    ) -> bool:
        values = await self._ids(connection, choice)
        if row.locale is not None:
            values["locale"] = row.locale
        if subscription.state == State.PENDING and self._is_confirmed(row):
            values |= await self._active(connection, choice)
            values["covered_to"] = max(values["covered_to"], subscription.covered_to)
        elif subscription.state == State.PENDING and self.order.ask:
            values["notice_due"] = "confirm"
        changed = {name: value for name, value in values.items() if getattr(subscription, name) != value}
        if changed:
            update = sa.update(models.Subscription).where(models.Subscription.id == subscription.id)
            await connection.execute(update.values(**changed))
            before = trail.snapshot(subscription, *(name for name in changed if name != "confirmed_at"))
            await self._record(connection, [subscription.id], before)
        return await self._rename(connection, subscription, row) or bool(changed)

    @staticmethod
    async def _rename(connection: AsyncConnection, subscription: sa.Row[Any], row: rows.Row) -> bool:
        values = {"email": row.address.spelling}
        if row.name is not None:
            values["name"] = row.name
        if all(getattr(subscription, name) == value for name, value in values.items()):
            return False
        update = sa.update(models.Subscriber).where(models.Subscriber.id == subscription.subscriber_id)
        await connection.execute(update.values(**values))
        return True

    async def _record(
        self, connection: AsyncConnection, ids: Iterable[int], before: dict[str, Any] | None = None
    ) -> None:
        made = [trail.Entry(i, trail.What.IMPORTED, trail.Door.IMPORT, self.order.now, before or {}) for i in ids]
        await trail.record(connection, made)


def _existing(publication_id: int, keys: list[str]) -> sa.Select[Any]:
    """The Subscriptions these addresses have already; locked, for a reader may be leaving this very moment."""
    return (
        standing.query()
        .where(models.Subscriber.key.in_(keys), models.Subscription.publication_id == publication_id)
        # In one order everywhere, or two imports at once could wait for each other for ever.
        .order_by(models.Subscription.id)
        .with_for_update(of=models.Subscription)
    )
