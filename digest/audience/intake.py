"""One slice of a list: who is new, who changes, who had left elsewhere, and who may never be written to.

Reads what is known of its addresses and locks it; leaves Subscribers, Subscriptions, Cadences, Suppressions and Change
rows. An existing Subscription always counts for more than what a list says of its reader's past.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import bulk, errors, prepared, sql
from digest.audience import (
    beginnings,
    lists,
    models,
    preferences,
    rows,
    standing,
    start,
    suppression,
    trail,
)

State = models.SubscriptionState
Reason = models.SuppressionReason
# Who is in a list like this is not mailed, and no row of a reader is made of them.
SUPPRESSED = {
    rows.Told.BOUNCED: Reason.REFUSED,
    rows.Told.COMPLAINED: Reason.COMPLAINED,
    rows.Told.BLOCKED: Reason.OPERATOR,
}


# Left out is who is there already and nobody else: whoever is left out for any other reason would be lost.
_SUBSCRIBERS = bulk.Insert(models.Subscriber, ("key", "email", "name"), alike=("created_at",), known_by=("key",))
_SUBSCRIPTIONS = bulk.Insert(
    models.Subscription,
    ("subscriber_id", *beginnings.Beginning._fields),
    alike=("publication_id", "created_at"),
    known_by=("subscriber_id", "publication_id"),
)
_SUBSCRIBER_IDS = prepared.Statement(
    sa.select(models.Subscriber.key, models.Subscriber.id).where(sql.listed(models.Subscriber.key, "keys"))
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of one slice's addresses."""

    suppressed: dict[str, models.SuppressionReason]
    subscriptions: dict[str, sa.Row[Any]]


Fresh = tuple[rows.Row, preferences.Choice]


@dataclass(slots=True)
class _Sorted:
    """The rows of a slice by what is to be done with them."""

    fresh: list[Fresh] = field(default_factory=list)
    left: list[Fresh] = field(default_factory=list)
    known: list[tuple[sa.Row[Any], Fresh]] = field(default_factory=list)
    unwanted: dict[str, models.SuppressionReason] = field(default_factory=dict)


class Intake:
    """Takes slices in."""

    @classmethod
    async def prepared(cls, connection: AsyncConnection, order: lists.Order) -> "Intake":
        begins = beginnings.Beginnings(order, await start.sequence(connection, order.publication.id))
        return cls(order, begins, await connection.scalar(sa.select(sa.func.max(models.Subscription.id))) or 0)

    def __init__(self, order: lists.Order, begins: beginnings.Beginnings, newest: int) -> None:
        """`newest` is the id of the newest Subscription before the list."""
        self.order, self._begins, self._newest = order, begins, newest

    def forget(self) -> None:
        """After a transaction that was taken back."""
        self._begins.forget()

    async def take(self, connection: AsyncConnection, good: dict[str, rows.Row]) -> lists.Report:
        report = lists.Report()
        if not good:
            return report
        found = self._sorted(good, await self._look_up(connection, good), report)
        report.suppressed = await suppression.add_all(connection, self.order.hasher, found.unwanted, now=self.order.now)
        # Those who had left elsewhere are kept as such, so that no later list brings them back.
        report.left = await self._add(connection, found.left)
        report.imported = await self._add(connection, found.fresh)
        # Whoever another node added in the very same moment is theirs, and as good as unchanged to us.
        report.unchanged += len(found.left) + len(found.fresh) - report.left - report.imported
        for subscription, (row, choice) in found.known:
            is_changed = await self._renew(connection, subscription, row, choice)
            report.updated, report.unchanged = report.updated + is_changed, report.unchanged + (not is_changed)
        return report

    def _sorted(self, good: dict[str, rows.Row], known: _Known, report: lists.Report) -> _Sorted:
        found = _Sorted()
        for key, row in good.items():
            subscription, reason = known.subscriptions.get(key), known.suppressed.get(key)
            is_past = row.state in SUPPRESSED or row.state is rows.Told.UNSUBSCRIBED
            is_settled = reason is not None or (subscription is not None and not self._is_of_this_list(subscription))
            if is_past and is_settled:
                report.unchanged += 1
            elif row.state in SUPPRESSED:
                found.unwanted[key] = SUPPRESSED[row.state]
            else:
                self._place(found, row, subscription, reason, report)
        return found

    def _is_of_this_list(self, subscription: sa.Row[Any]) -> bool:
        """Whether an earlier line made it, so that this one counts as much."""
        return bool(subscription.id > self._newest and subscription.created_at == self.order.now)

    def _place(
        self,
        found: _Sorted,
        row: rows.Row,
        subscription: sa.Row[Any] | None,
        reason: models.SuppressionReason | None,
        report: lists.Report,
    ) -> None:
        current = None if subscription is None else standing.choice(subscription)
        try:
            self._refuse(reason, subscription)
            fresh = row, self._begins.choice(row.wish, current)
        except errors.DigestError as error:
            report.refuse(row.line, str(error))
            return
        if subscription is not None:
            found.known.append((subscription, fresh))
        else:
            (found.left if row.state is rows.Told.UNSUBSCRIBED else found.fresh).append(fresh)

    async def _look_up(self, connection: AsyncConnection, good: dict[str, rows.Row]) -> _Known:
        suppressed = await suppression.covered(connection, self.order.hasher, good)
        theirs = _theirs(self.order.publication.id, list(good))
        # A reader may be leaving this very moment.
        await standing.lock_those(connection, theirs)
        found = await connection.execute(standing.query().where(theirs))
        return _Known(suppressed, {row.address_key: row for row in found})

    @staticmethod
    def _refuse(reason: models.SuppressionReason | None, subscription: sa.Row[Any] | None) -> None:
        if reason is not None:
            raise rows.RowError(f"is suppressed ({reason}): not revived")
        # A request to confirm that nobody answered does not make a reader who left one who did not.
        if subscription is not None and subscription.left_at is not None:
            raise rows.RowError(f"unsubscribed on {subscription.left_at:%Y-%m-%d}: not revived")

    async def _add(self, connection: AsyncConnection, fresh: list[Fresh]) -> int:
        if not fresh:
            return 0
        # In one order everywhere, or two imports at once could wait for each other for ever.
        addresses = sorted((row.address.key, row.address.spelling, row.name or "") for row, _ in fresh)
        await _SUBSCRIBERS.run(connection, addresses, created_at=self.order.now)
        found = await _SUBSCRIBER_IDS.run(connection, {"keys": [key for key, *_ in addresses]})
        ids: dict[str, int] = dict(found)
        begun = [await self._begins.beginning(connection, row, choice) for row, choice in fresh]
        added = await _SUBSCRIPTIONS.run(
            connection,
            sorted((ids[row.address.key], *values) for (row, _), values in zip(fresh, begun, strict=True)),
            publication_id=self.order.publication.id,
            created_at=self.order.now,
        )
        await self._record(connection, added)
        return len(added)

    async def _renew(
        self, connection: AsyncConnection, subscription: sa.Row[Any], row: rows.Row, choice: preferences.Choice
    ) -> bool:
        values = dict(await self._begins.ids(connection, choice))
        said = {"locale": row.locale, "layout": row.layout, "paused_until": self._begins.pause(row)}
        values |= {name: value for name, value in said.items() if value is not None}
        if row.state is rows.Told.UNSUBSCRIBED:
            values |= {"state": State.UNSUBSCRIBED, "left_at": row.left_at or self.order.now, "notice_due": None}
        elif subscription.state == State.PENDING and self._begins.is_confirmed(row):
            values |= await self._begins.active(connection, row, choice)
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


def _theirs(publication_id: int, keys: list[str]) -> sa.ColumnElement[bool]:
    """Of the Subscriptions, those these addresses have already."""
    subscribers = sa.select(models.Subscriber.id).where(sql.one_of(models.Subscriber.key, keys))
    subscription = models.Subscription
    return sa.and_(subscription.publication_id == publication_id, subscription.subscriber_id.in_(subscribers))
