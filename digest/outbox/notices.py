"""The pass for mail that is no Edition: confirm, welcome, goodbye, and others that answer what somebody did.

Reads Subscriptions with a `notice_due`; leaves a Delivery in a Batch that goes before all others. It is rendered,
signed, tried and recorded like any digest. A welcome may carry the newest stories: then its Delivery has a Selection,
and `covered_to` is at the head from that very transaction on, so that no digest tells them again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, publications, sql
from digest.audience import address_changes, models as audience
from digest.editions import choose, contents
from digest.outbox import models, selections, wake

PRIORITY = 0
AT_ONCE = 100
# A welcome names all it tells, as a digest of its Publication would; beyond this many it would grow too large.
MOST_NAMED = 50
NO_STORIES = {"selection_id": None, "covered_from": None, "upto": None}


async def run(db: database.Database, now: datetime, *, submit: wake.Submit = wake.nobody) -> int:
    """Queue every notice due; how many that were."""
    # A look takes no write lock, and there is seldom anything.
    wanted = sa.select(audience.Subscription.id).where(audience.Subscription.notice_due.is_not(None)).limit(1)
    async with db.reading() as connection:
        if (await connection.execute(wanted)).first() is None:
            return 0
    total = 0
    while count := await _queue(db, submit, now):
        total += count
    return total


async def _take(connection: AsyncConnection) -> Sequence[Any]:
    """The next Subscriptions with a notice due, locked, each with its topics.

    Locked first and read after: a choice of topics that is changed in between would be read as a wish for all of them.
    """
    subscription = audience.Subscription
    due = (
        sa.select(subscription.id)
        .where(subscription.notice_due.is_not(None))
        # As the index has them: by id alone, SQLite would walk all readers to find these few.
        .order_by(subscription.notice_due, subscription.id)
        .limit(AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    ids = (await connection.execute(due)).scalars().all()
    theirs = (
        sa.select(subscription, audience.TopicSet.topics)
        .outerjoin(audience.TopicSet, audience.TopicSet.id == subscription.topic_set_id)
        .where(subscription.id.in_(ids))
        .order_by(subscription.id)
    )
    return (await connection.execute(theirs)).all() if ids else []


async def _queue(db: database.Database, submit: wake.Submit, now: datetime) -> int:
    """One Batch of notices. The wish is taken off the Subscription in the transaction that makes the Delivery."""
    subscription, delivery = audience.Subscription, models.Delivery
    async with db.transaction() as connection:
        rows = await _take(connection)
        if not rows:
            return 0
        new = sa.insert(models.Batch).values(priority=PRIORITY).returning(models.Batch.id)
        batch_id = (await connection.execute(new)).scalar_one()
        await submit(connection, [batch_id])
        changes = await _address_changes(connection, rows)
        begun = await _beginnings(connection, [row for row in rows if "welcome" in row.notice_due.split()], now)
        deliveries = [
            {
                "kind": kind,
                "publication_id": row.publication_id,
                "subscription_id": row.id,
                "address_change_id": changes.get(row.subscriber_id) if kind in address_changes.ASKING else None,
                "batch_id": batch_id,
                "created_at": now,
                **(begun.get(row.id, NO_STORIES) if kind == "welcome" else NO_STORIES),
            }
            for row in rows
            for kind in row.notice_due.split()
            # A change that was withdrawn a moment ago asks nobody.
            if kind not in address_changes.ASKING or row.subscriber_id in changes
        ]
        if deliveries:
            await connection.execute(sa.insert(delivery), deliveries)
        done = sa.update(subscription).where(subscription.id.in_([row.id for row in rows]))
        await connection.execute(done.values(notice_due=None))
        return len(rows)


async def _address_changes(connection: AsyncConnection, rows: Sequence[Any]) -> dict[int, int]:
    """The changes of address that mails are due about, by Subscriber."""
    change = audience.AddressChange
    theirs = [row.subscriber_id for row in rows if not set(address_changes.ASKING).isdisjoint(row.notice_due.split())]
    if not theirs:
        return {}
    found = sa.select(change.subscriber_id, change.id).where(change.subscriber_id.in_(theirs))
    return {row.subscriber_id: row.id for row in await connection.execute(found)}


async def _beginnings(connection: AsyncConnection, rows: list[Any], now: datetime) -> dict[int, dict[str, int]]:
    """What each welcome tells, by Subscription; their `covered_to` moves to the head here and now.

    The Publication's row is locked for it, as releasing locks it: an Article is in the welcome or above the head.
    """
    begun: dict[int, dict[str, int]] = {}
    for publication_id in sorted({row.publication_id for row in rows}):
        publication = publications.Publication
        found = sa.select(publication.spec).where(publication.id == publication_id)
        if publications.load((await connection.execute(found)).scalar_one()).welcome != "stories":
            continue
        await connection.execute(found.with_for_update())
        mine = [row for row in rows if row.publication_id == publication_id]
        shelf = await contents.Shelves().get(connection, publication_id, above=min(row.covered_to for row in mine))
        for row in mine:
            if told := await _tell(connection, shelf, row, now):
                begun[row.id] = told
    return begun


async def _tell(connection: AsyncConnection, shelf: contents.Shelf, row: Any, now: datetime) -> dict[str, int] | None:
    topics = None if row.topics is None else frozenset(row.topics)
    chosen = choose.choose(
        shelf.candidates,
        choose.Reach(topics, row.covered_to, shelf.head),
        limits=_limits(shelf.spec),
        topic_order=shelf.spec.topic_slugs,
        now=now,
    )
    if isinstance(chosen, choose.Chosen) and chosen.more:
        # More than one mail can name, such as a year's for somebody who comes back: that is for a digest to tell.
        return None
    subscription = audience.Subscription
    settled = sa.update(subscription).where(subscription.id == row.id)
    await connection.execute(settled.values(covered_to=sql.greatest(subscription.covered_to, shelf.head)))
    if not isinstance(chosen, choose.Chosen):
        return None
    selection_id = await selections.intern(connection, row.publication_id, chosen, used_at=now)
    return {"selection_id": selection_id, "covered_from": row.covered_to, "upto": shelf.head}


def _limits(spec: publications.Spec) -> choose.Limits:
    links = min(spec.max_links, MOST_NAMED - spec.max_items)
    return choose.Limits(1, spec.max_items, links, timedelta(0))
