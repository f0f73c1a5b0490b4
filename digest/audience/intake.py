"""One slice of a list: who is new, who changes, who had left elsewhere, and who may never be written to.

Reads what is known of its addresses and locks it; leaves Subscribers, Subscriptions, Cadences, Suppressions and Change
rows. An existing Subscription always counts for more than what a list says of its reader's past.
"""

from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import bulk, errors, prepared, sql
from digest.audience import (
    beginnings,
    lists,
    models,
    people,
    preferences,
    renewals,
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
_SUBSCRIPTIONS = bulk.Insert(
    models.Subscription,
    ("subscriber_id", *beginnings.Beginning._fields),
    alike=("publication_id", "created_at"),
    known_by=("subscriber_id", "publication_id"),
    returning=("id", "state"),
)
_READING_ELSEWHERE = prepared.Statement(
    sa.select(models.Subscriber.key)
    .join(models.Subscription, models.Subscription.subscriber_id == models.Subscriber.id)
    .where(
        sql.listed(models.Subscriber.key, "keys"),
        models.Subscription.publication_id != sa.bindparam("publication_id"),
        sql.among(models.Subscription.state, (State.ACTIVE, State.FAILING)),
    )
)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the database knows of one slice's addresses. `readers` have a Subscription to some other Publication."""

    suppressed: dict[str, models.SuppressionReason]
    subscriptions: dict[str, sa.Row[Any]]
    readers: frozenset[str]


Fresh = tuple[rows.Row, preferences.Choice]


@dataclass(slots=True)
class _Sorted:
    """The rows of a slice by what is to be done with them."""

    fresh: list[Fresh] = field(default_factory=list)
    known: list[renewals.Known] = field(default_factory=list)
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

    def judge(self, row: rows.Row) -> None:
        """Whether the Publication has what a line wishes for. Raises RowError."""
        self._begins.choice(row.wish, None)

    async def take(self, connection: AsyncConnection, good: dict[str, rows.Row]) -> lists.Report:
        report = lists.Report(kept=len(good))
        if not good:
            return report
        found = self._sorted(good, await self._look_up(connection, good), report)
        report.suppressed = await suppression.add_all(connection, self.order.hasher, found.unwanted, now=self.order.now)
        await self._add(connection, found, report)
        changed = await renewals.renew(connection, self.order, self._begins, found.known)
        report.updated += changed
        report.unchanged += len(found.known) - changed
        return report

    def _sorted(self, good: dict[str, rows.Row], known: _Known, report: lists.Report) -> _Sorted:
        found = _Sorted()
        for key, row in good.items():
            subscription, reason = known.subscriptions.get(key), known.suppressed.get(key)
            is_past = row.state in SUPPRESSED or row.state is rows.Told.UNSUBSCRIBED
            is_settled = reason is not None or (subscription is not None and not self._is_of_this_list(subscription))
            if is_past and (is_settled or (row.state in SUPPRESSED and key in known.readers)):
                report.unchanged += 1
            elif row.state not in SUPPRESSED:
                self._place(found, row, subscription, reason, report)
            elif self.order.may_suppress:
                found.unwanted[key] = SUPPRESSED[row.state]
            else:
                report.refuse(row.line, f"is {row.state} in the file: this key may suppress nobody")
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
            choice = self._begins.choice(row.wish, current)
        except errors.DigestError as error:
            report.refuse(row.line, str(error))
            return
        if subscription is not None:
            found.known.append((subscription, row, choice))
        else:
            found.fresh.append((row, choice))

    async def _look_up(self, connection: AsyncConnection, good: dict[str, rows.Row]) -> _Known:
        suppressed = await suppression.covered(connection, self.order.hasher, good)
        theirs = _theirs(self.order.publication.id, list(good))
        # A reader may be leaving this very moment.
        await standing.lock_those(connection, theirs)
        found = await connection.execute(standing.query().where(theirs))
        subscriptions = {row.address_key: row for row in found}
        past = [key for key, row in good.items() if row.state in SUPPRESSED]
        here = {"keys": past, "publication_id": self.order.publication.id}
        readers = await _READING_ELSEWHERE.run(connection, here) if past else []
        return _Known(suppressed, subscriptions, frozenset(key for (key,) in readers))

    @staticmethod
    def _refuse(reason: models.SuppressionReason | None, subscription: sa.Row[Any] | None) -> None:
        if reason is not None:
            raise rows.RowError(f"is suppressed ({reason}): not revived")
        # A request to confirm that nobody answered does not make a reader who left one who did not.
        if subscription is not None and subscription.left_at is not None:
            raise rows.RowError(f"unsubscribed on {subscription.left_at:%Y-%m-%d}: not revived")

    async def _add(self, connection: AsyncConnection, found: _Sorted, report: lists.Report) -> None:
        """Those who had left elsewhere are kept as such, so that no later list brings them back."""
        fresh = found.fresh
        new = [(row.address.key, row.address.spelling, row.name or "") for row, _ in fresh]
        known = [subscription.address_key for subscription, *_ in found.known]
        ids = await people.bring(connection, new, now=self.order.now, besides=known)
        await self._send_back(connection, fresh, ids, report)
        added = await _SUBSCRIPTIONS.run(
            connection,
            sorted(
                [
                    (ids[row.address.key], *await self._begins.beginning(connection, row, choice))
                    for row, choice in fresh
                ]
            ),
            publication_id=self.order.publication.id,
            created_at=self.order.now,
        )
        left = sum(row.state == State.UNSUBSCRIBED for row in added)
        report.left, report.imported = left, len(added) - left
        # Whoever another node added in the very same moment is theirs, and as good as unchanged to us.
        report.unchanged += len(fresh) - len(added)
        made = [trail.Entry(row.id, trail.What.IMPORTED, trail.Door.IMPORT, self.order.now) for row in added]
        await trail.record(connection, made)

    async def _send_back(
        self, connection: AsyncConnection, fresh: list[Fresh], ids: dict[str, int], report: lists.Report
    ) -> None:
        """Who was erased while we looked is not brought in after all."""
        if connection.dialect.name == "sqlite" or not fresh:
            return
        keys = [row.address.key for row, _ in fresh]
        suppressed = await suppression.covered(connection, self.order.hasher, keys)
        if suppressed:
            await people.drop_idle(connection, [ids[key] for key in suppressed])
        for row, choice in [one for one in fresh if one[0].address.key in suppressed]:
            report.refuse(row.line, f"is suppressed ({suppressed[row.address.key]}): not revived")
            fresh.remove((row, choice))


def _theirs(publication_id: int, keys: list[str]) -> sa.ColumnElement[bool]:
    """Of the Subscriptions, those these addresses have already."""
    subscribers = sa.select(models.Subscriber.id).where(sql.one_of(models.Subscriber.key, keys))
    subscription = models.Subscription
    return sa.and_(subscription.publication_id == publication_id, subscription.subscriber_id.in_(subscribers))
