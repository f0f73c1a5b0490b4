"""Subscribers coming and going at the same moment (PostgreSQL; on SQLite a write transaction has all to itself).

Whoever gives a person a Subscription holds their row so that it stays, and whoever is to delete it holds it alone, in
order of id. So nobody is left with a Subscription and without a name, and who is being forgotten does not come back.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import bulk, prepared, sql
from digest.audience import models, standing

# (address key, spelling, name)
Person = tuple[str, str, str]

_NEW = bulk.Insert(models.Subscriber, ("key", "email", "name"), alike=("created_at",), known_by=("key",))
_HELD = prepared.Statement(
    sa.select(models.Subscriber.key, models.Subscriber.id)
    .where(sql.listed(models.Subscriber.key, "keys"))
    .order_by(models.Subscriber.id)
    .with_for_update(read=True, key_share=True)
)


async def bring(
    connection: AsyncConnection, wanted: Iterable[Person], *, now: datetime, besides: Sequence[str] = ()
) -> dict[str, int]:
    """The ids of these people by address key; who is new is added. They stay until the transaction ends.

    `besides` are the keys of others who are to be changed in it. To be asked afterwards whether one is suppressed: an
    erasure may have ended only now.
    """
    # In one order everywhere, or two who bring the same people could wait for each other for ever.
    missing, ids = sorted(wanted), dict[str, int]()
    if besides and not missing:
        await _HELD.run(connection, {"keys": list(besides)})
    while missing:
        await _NEW.run(connection, missing, created_at=now)
        ids |= dict(await _HELD.run(connection, {"keys": [*(key for key, *_ in missing), *besides]}))
        # Who was there a moment ago may be gone by now.
        missing = [person for person in missing if person[0] not in ids]
    return ids


async def claim(connection: AsyncConnection, address_key: str, *, now: datetime) -> int | None:
    """Who has this address, held alone with all their Subscriptions; until the transaction ends nobody else gets it."""
    find = sa.select(models.Subscriber.id).where(models.Subscriber.key == address_key)
    while True:
        id_ = await connection.scalar(find)
        if id_ is not None:
            # Subscriptions before their person, as everywhere.
            await standing.lock_those(connection, models.Subscription.subscriber_id == id_)
            if await hold(connection, [id_]):
                return id_
        elif connection.dialect.name == "sqlite":
            return None
        elif added := await _NEW.run(connection, [(address_key, address_key, "")], created_at=now):
            # Also a row that is gone again makes whoever wants its key wait for us.
            await drop_idle(connection, [added[0].id])
            return None


async def hold(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[int]:
    """Hold those of them alone who are still there. To decide what becomes of them, look after this and not with it."""
    theirs = sa.select(models.Subscriber.id).where(models.Subscriber.id.in_(ids)).order_by(models.Subscriber.id)
    return (await connection.execute(theirs.with_for_update())).scalars().all()


async def drop_idle(connection: AsyncConnection, ids: Iterable[int]) -> None:
    """Forget those of them who have no Subscription."""
    subscriber = models.Subscriber
    has_more = sa.exists().where(models.Subscription.subscriber_id == subscriber.id)
    await connection.execute(sa.delete(subscriber).where(subscriber.id.in_(list(ids)), ~has_more))
