"""The hand-over: decide who may get what, prepare it, and in one transaction confirm that it still holds and freeze it.

`propose` decides on Facts read without a lock; `confirm` reads them again under the readers' locks and lets through
what has not changed; `freeze` makes those Deliveries `sending`, with range and Selection. What a crash does: before
that commit nothing has happened, after it the row says that content may be on the wire.
"""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, prepared, sql
from digest.audience import models as audience, suppression
from digest.editions import choose, contents
from digest.outbox import facts, handover, manners, models, telling, writer
from digest.outbox.facts import Facts
from digest.outbox.scene import Scene
from digest.outbox.transports import transport


@dataclasses.dataclass(slots=True)
class Proposal:
    """A Delivery and what is to become of it: a mail to prepare and send, or an end without one."""

    facts: Facts
    verdict: writer.Order | handover.Stop | handover.Wait
    revision: int | None
    upto: int | None = None
    ready: writer.Ready | None = None
    letter: transport.Letter | None = None

    @property
    def id(self) -> int:
        return int(self.facts.row.id)


@dataclasses.dataclass(frozen=True)
class Desk:
    """What deciding needs: shared memory of Articles and Topics, the suppression list, and the writer."""

    shelves: contents.Shelves
    topics: contents.Topics
    hasher: suppression.Hasher
    writer: writer.Writer


async def propose(
    connection: AsyncConnection, desk: Desk, scene: Scene, ids: Iterable[int], now: datetime
) -> list[Proposal]:
    """What is to become of these Deliveries, as things stand. Those whose reader is gone are missing."""
    found = await facts.look(connection, desk.hasher, ids)
    if scene.edition is None:
        return [await _notice(connection, desk, one, now) for one in found]
    if not found:
        return []
    floor = min(one.row.reader_covered_to for one in found)
    shelf = await desk.shelves.get(connection, scene.edition.publication_id, above=floor)
    topics = await desk.topics.get_all(
        connection, {one.row.reader_topic_set_id for one in found if one.row.reader_topic_set_id is not None}
    )
    chooser = _Chooser(desk.writer, shelf, scene.edition, topics, now)
    occasion = scene.occasion
    return [
        Proposal(
            one,
            handover.objection(facts.mail(one.row), facts.reader(one), occasion, now) or chooser.order(one.row),
            shelf.revision,
            scene.edition.upto,
        )
        for one in found
    ]


class _Chooser:
    """Orders for the readers of one Edition; the many who are alike share one."""

    def __init__(
        self,
        scribe: writer.Writer,
        shelf: contents.Shelf,
        edition: Any,
        topics: dict[int, frozenset[str]],
        now: datetime,
    ) -> None:
        self.scribe, self.shelf, self.edition, self.topics, self.now = scribe, shelf, edition, topics, now
        self._known: dict[Any, writer.Order | handover.Stop] = {}

    def order(self, row: Any) -> writer.Order | handover.Stop:
        """What this reader is to get: chosen afresh, or what was frozen when a doubtful mail was first sent."""
        if facts.is_doubtful(row):
            return writer.Order.frozen(self.shelf, self.edition, row.selection_id, manners.Manner.of(row))
        alike = (row.reader_topic_set_id, row.reader_covered_to, manners.Manner.of(row))
        if alike not in self._known:
            self._known[alike] = self._choose(*alike)
        return self._known[alike]

    def _choose(
        self, topic_set_id: int | None, covered_to: int, manner: manners.Manner
    ) -> writer.Order | handover.Stop:
        topics = None if topic_set_id is None else self.topics[topic_set_id]
        reach = choose.Reach(topics, covered_to, self.edition.upto)
        key = writer.Order.key_of(self.shelf, self.edition, reach, manner)
        is_instant = self.edition.frequency == "instant"
        verdict = self.scribe.remembered(key) or self.shelf.choose(reach, self.now, is_instant=is_instant)
        if stop := handover.conclude(verdict):
            return stop
        assert isinstance(verdict, choose.Chosen)
        return writer.Order(key, self.shelf, self.edition, verdict, None, manner)


async def _notice(connection: AsyncConnection, desk: Desk, one: Facts, now: datetime) -> Proposal:
    row = one.row
    if objection := handover.objection(facts.mail(row), facts.reader(one), None, now):
        return Proposal(one, objection, None)
    shelf = await desk.shelves.get(connection, row.publication_id, above=row.reader_covered_to)
    held = await desk.topics.get(connection, row.reader_topic_set_id)
    told = await telling.notice(connection, row, shelf.spec, held, now)
    order = writer.Order.notice(shelf, row.kind, told, manners.Manner.of(row), row.selection_id)
    return Proposal(one, order, None)


async def prepare(desk: Desk, proposals: Iterable[Proposal]) -> None:
    """Have every mail composed that these want. Outside of any transaction, for it may take a while."""
    proposals = [one for one in proposals if isinstance(one.verdict, writer.Order)]
    orders = {one.verdict.key: one.verdict for one in proposals if isinstance(one.verdict, writer.Order)}
    made = await desk.writer.prepared(orders)
    for one in proposals:
        assert isinstance(one.verdict, writer.Order)
        one.ready = made[one.verdict.key]


@dataclasses.dataclass(frozen=True)
class Confirmation:
    """Ids of Deliveries whose Facts still hold, and of those whose readers somebody else has locked."""

    confirmed: set[int]
    held: set[int]


async def confirm(
    connection: AsyncConnection, hasher: suppression.Hasher, scene: Scene, proposals: Sequence[Proposal]
) -> Confirmation:
    """Of which proposals nothing has changed since they were decided, now under their readers' locks.

    Two mails to one reader never go in the same turn: the second is looked at again, and waits for the first.
    """
    if not proposals:
        return Confirmation(set(), set())
    locked = await facts.lock(connection, [one.facts.row.subscription_id for one in proposals])
    fresh = await facts.marks(connection, hasher, [one.id for one in proposals])
    revision = scene.edition.revision if scene.edition is not None else None
    done, readers = Confirmation(set(), set()), set[int]()
    for one in proposals:
        reader = one.facts.row.subscription_id
        if one.revision != revision or fresh.get(one.id) != one.facts.mark or reader in readers:
            continue
        readers.add(reader)
        (done.confirmed if locked is None or reader in locked else done.held).add(one.id)
    return done


async def freeze(
    connection: AsyncConnection, scene: Scene, leaving: Sequence[tuple[Proposal, str]], now: datetime
) -> set[int]:
    """Make these Deliveries `sending`, each by the relay named; which ones that were.

    A doubtful one keeps the range and the Selection it has.
    """
    frozen: set[int] = set()
    upto = scene.edition.upto if scene.edition is not None else None
    for relay in {relay for _, relay in leaving}:
        values = {"p_relay": relay, "p_now": now}
        mine = [one for one, by in leaving if by == relay]
        fresh = {one.id: _selection(one) for one in mine if not facts.is_doubtful(one.facts.row)}
        again = [one.id for one in mine if facts.is_doubtful(one.facts.row)]
        if fresh and upto is not None:
            rows = await _FREEZE.run(connection, values | {"p_upto": upto, "p_pairs": json.dumps(fresh)})
            frozen.update(id_ for (id_,) in rows)
        elif fresh:
            rows = await _NOTE.run(connection, values | {"p_ids": list(fresh)})
            frozen.update(id_ for (id_,) in rows)
        if again:
            frozen.update(id_ for (id_,) in await _AGAIN.run(connection, values | {"p_ids": again}))
    return frozen


def _selection(one: Proposal) -> int | None:
    return one.ready.selection_id if one.ready else None


def _sending() -> dict[str, Any]:
    delivery = models.Delivery
    now = sa.bindparam("p_now", type_=database.UtcDateTime())
    return {
        "state": models.DeliveryState.SENDING,
        "tries": delivery.tries + 1,
        "first_tried_at": sa.func.coalesce(delivery.first_tried_at, now),
        "handed_over_at": now,
        "relay": sa.bindparam("p_relay", type_=sa.Text()),
    }


def _frozen() -> Any:
    delivery, subscription = models.Delivery, audience.Subscription
    pairs = sa.func.each_pair(sa.bindparam("p_pairs", type_=sa.Text())).table_valued("key", "value")
    starts_at = sa.select(subscription.covered_to).where(subscription.id == delivery.subscription_id)
    values = _sending() | {
        "covered_from": starts_at.scalar_subquery(),
        "upto": sa.bindparam("p_upto"),
        "selection_id": sa.cast(pairs.c.value, sa.BigInteger),
    }
    is_one = delivery.id == sa.cast(pairs.c.key, sa.BigInteger)
    return sa.update(delivery).where(is_one, delivery.state == models.DeliveryState.QUEUED).values(values)


def _repeated(state: models.DeliveryState) -> Any:
    delivery = models.Delivery
    is_one = sa.and_(sql.listed(delivery.id, "p_ids"), delivery.state == state)
    return sa.update(delivery).where(is_one).values(_sending())


_ID = models.Delivery.id
_FREEZE = prepared.Statement(_frozen().returning(_ID))
_NOTE = prepared.Statement(_repeated(models.DeliveryState.QUEUED).returning(_ID))
_AGAIN = prepared.Statement(_repeated(models.DeliveryState.DOUBTFUL).returning(_ID))
