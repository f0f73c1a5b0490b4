"""What a list changes of Subscriptions that are there already, all of a slice in a few statements.

Row by row, a thousand changes would hold SQLite's only write lock for seconds.
"""

import collections
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import bulk
from digest.audience import beginnings, lists, models, preferences, rows, trail

State = models.SubscriptionState
Known = tuple[sa.Row[Any], rows.Row, preferences.Choice]
# Rows for `bulk.update`, by the columns they give a value.
_Values = dict[tuple[str, ...], list[tuple[Any, ...]]]


@dataclass(slots=True)
class _Changes:
    subscriptions: _Values = field(default_factory=lambda: collections.defaultdict(list))
    subscribers: _Values = field(default_factory=lambda: collections.defaultdict(list))
    entries: list[trail.Entry] = field(default_factory=list)


async def renew(
    connection: AsyncConnection, order: lists.Order, begins: beginnings.Beginnings, known: list[Known]
) -> int:
    """How many of them have changed. They are locked."""
    changes, count = _Changes(), 0
    for subscription, row, choice in known:
        values = await _wanted(connection, order, begins, subscription, row, choice)
        is_changed = _note(changes, order, subscription, values)
        is_renamed = _rename(changes, subscription, row)
        count += is_changed or is_renamed
    for columns, values_ in changes.subscriptions.items():
        await bulk.update(connection, models.Subscription, columns, values_)
    for columns, values_ in changes.subscribers.items():
        await bulk.update(connection, models.Subscriber, columns, sorted(values_))
    await trail.record(connection, changes.entries)
    return count


async def _wanted(
    connection: AsyncConnection,
    order: lists.Order,
    begins: beginnings.Beginnings,
    subscription: sa.Row[Any],
    row: rows.Row,
    choice: preferences.Choice,
) -> dict[str, Any]:
    values = dict(await begins.ids(connection, choice))
    said = {"locale": row.locale, "layout": row.layout, "paused_until": begins.pause(row)}
    values |= {name: value for name, value in said.items() if value is not None}
    if row.state is rows.Told.UNSUBSCRIBED:
        values |= {"state": State.UNSUBSCRIBED, "left_at": row.left_at or order.now, "notice_due": None}
    elif subscription.state == State.PENDING and begins.is_confirmed(row):
        values |= await begins.active(connection, row, choice)
        values["covered_to"] = max(values["covered_to"], subscription.covered_to)
    elif subscription.state == State.PENDING and order.ask:
        values["notice_due"] = "confirm"
    return values


def _note(changes: _Changes, order: lists.Order, subscription: sa.Row[Any], values: dict[str, Any]) -> bool:
    changed = sorted(name for name, value in values.items() if getattr(subscription, name) != value)
    if not changed:
        return False
    changes.subscriptions[tuple(changed)].append((subscription.id, *(values[name] for name in changed)))
    before = trail.snapshot(subscription, *(name for name in changed if name != "confirmed_at"))
    changes.entries.append(trail.Entry(subscription.id, trail.What.IMPORTED, trail.Door.IMPORT, order.now, before))
    return True


def _rename(changes: _Changes, subscription: sa.Row[Any], row: rows.Row) -> bool:
    name = row.name if row.name is not None else subscription.name
    if (row.address.spelling, name) == (subscription.email, subscription.name):
        return False
    changes.subscribers["email", "name"].append((subscription.subscriber_id, row.address.spelling, name))
    return True
