"""Which readers an Edition is filled with: those who may get something; the others are settled or left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database
from digest.articles import models as articles
from digest.audience import models as audience, preferences
from digest.editions import contents, models as editions, plan
from digest.outbox import fill, models
from digest.publications import load
from tests.support import cast

pytestmark = pytest.mark.anyio
TOMORROW = cast.NOW + timedelta(days=1)


def a_filler(**sizes: int) -> fill.Filler:
    return fill.Filler(contents.Shelves(), contents.Topics(), **sizes)


async def a_publication(db: database.Database, *topics: tuple[str, ...], **spec: Any) -> Any:
    publication = await cast.a_publication(db, **spec)
    await cast.some_articles(db, publication.id, *topics)
    async with db.transaction() as connection:
        await connection.execute(sa.update(articles.Article).values(released_at=cast.NOW, published_at=cast.NOW))
    return publication


async def a_reader(db: database.Database, publication: Any, name: str, *topics: str, **values: Any) -> int:
    choice = preferences.fulfil(load(publication.spec), preferences.Wish(frequency="daily", topics=topics))
    return await cast.a_subscription(db, publication, f"{name}@example.org", choice=choice, **values)


async def fill_all(db: database.Database, filler: fill.Filler) -> int:
    """Plan what is due tomorrow and fill it to the end; how many readers were settled."""
    await plan.run(db, plan.Policy(), TOMORROW)
    settled, more = 0, True
    while more:
        filled = await fill.run(db, filler, TOMORROW)
        settled, more = settled + filled.settled, filled.more
    return settled


async def queued(db: database.Database) -> list[int]:
    async with db.reading() as connection:
        statement = sa.select(models.Delivery.subscription_id).order_by(models.Delivery.subscription_id)
        return list((await connection.execute(statement)).scalars())


async def covered_to(db: database.Database, reader: int) -> int:
    return int((await cast.subscription(db, reader)).covered_to)


async def test_each_group_of_readers_is_judged_by_its_topics_and_by_where_it_stands(db: database.Database) -> None:
    publication = await a_publication(db, ("heart",), ("lungs",), ("heart",))
    everything = await a_reader(db, publication, "everything")
    heart = await a_reader(db, publication, "heart", "heart", covered_to=2)
    had_it = await a_reader(db, publication, "had-it", covered_to=3)
    lungs = await a_reader(db, publication, "lungs", "lungs", covered_to=2)
    sleep = await a_reader(db, publication, "sleep", "sleep")

    assert await fill_all(db, a_filler()) == 3

    assert await queued(db) == [everything, heart]
    assert [await covered_to(db, reader) for reader in (everything, heart, had_it, lungs, sleep)] == [0, 2, 3, 3, 3]


async def test_who_waits_for_more_articles_is_neither_queued_nor_settled(db: database.Database) -> None:
    publication = await a_publication(db, ("heart",), ("lungs",), min_items=2)
    everything = await a_reader(db, publication, "everything")
    waiting = await a_reader(db, publication, "waiting", "heart")

    assert await fill_all(db, a_filler()) == 0

    assert await queued(db) == [everything]
    assert await covered_to(db, waiting) == 0


async def test_who_has_a_mail_in_flight_is_not_settled(db: database.Database) -> None:
    publication = await a_publication(db, ("heart",))
    sleep = await a_reader(db, publication, "sleep", "sleep")
    async with db.transaction() as connection:
        row = {"publication_id": publication.id, "subscription_id": sleep, "created_at": cast.NOW}
        await connection.execute(sa.insert(models.Delivery).values(row | {"state": models.DeliveryState.DOUBTFUL}))

    assert await fill_all(db, a_filler()) == 0
    assert await covered_to(db, sleep) == 0


async def test_slices_deal_readers_out_to_full_batches_without_a_gap(db: database.Database) -> None:
    publication = await a_publication(db, ("heart",))
    readers = [await a_reader(db, publication, f"reader{number}") for number in range(7)]

    await fill_all(db, a_filler(slice_size=4, batch_size=3))

    assert await queued(db) == readers
    async with db.reading() as connection:
        counts = sa.select(models.Batch.ordinal, sa.func.count(models.Delivery.id)).join(
            models.Delivery, models.Delivery.batch_id == models.Batch.id
        )
        rows = (await connection.execute(counts.group_by(models.Batch.ordinal).order_by(models.Batch.ordinal))).all()
    assert [tuple(row) for row in rows] == [(0, 3), (1, 1), (2, 3)]


async def test_two_nodes_that_fill_at_once_queue_each_reader_once(db: database.Database, db_url: str) -> None:
    publication = await a_publication(db, ("heart",))
    readers = [await a_reader(db, publication, f"reader{number}") for number in range(9)]
    other = database.connect(db_url)

    await asyncio.gather(*(fill_all(node, a_filler(slice_size=2)) for node in (db, other)))
    await other.close()

    assert await queued(db) == readers


class Meanwhile(database.Database):
    """A Database where something else happens just before each write transaction."""

    change: Any = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        if self.change is not None:
            async with super().transaction() as connection:
                await connection.execute(self.change)
        async with super().transaction() as connection:
            yield connection


async def test_who_widens_their_topics_while_we_look_is_not_settled(db: database.Database) -> None:
    publication = await a_publication(db, ("heart",))
    sleep = await a_reader(db, publication, "sleep", "sleep")
    await plan.run(db, plan.Policy(), TOMORROW)
    meanwhile = Meanwhile(db.engine)
    meanwhile.change = sa.update(audience.Subscription).values(topic_set_id=None)

    await fill.run(meanwhile, a_filler(), TOMORROW)

    assert await covered_to(db, sleep) == 0


async def test_an_edition_that_was_cancelled_while_we_look_is_left_alone(db: database.Database) -> None:
    publication = await a_publication(db, ("heart",))
    await a_reader(db, publication, "reader")
    await plan.run(db, plan.Policy(), TOMORROW)
    meanwhile = Meanwhile(db.engine)
    meanwhile.change = sa.update(editions.Edition).values(state=editions.EditionState.CANCELLED)

    await fill.run(meanwhile, a_filler(), TOMORROW)

    assert await queued(db) == []


async def test_readers_beyond_what_one_statement_can_name_are_left_to_the_hand_over(
    db: database.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fill, "STARTS_AT_ONCE", 2)
    publication = await a_publication(db, ("heart",), ("heart",), ("heart",))
    readers = [await a_reader(db, publication, f"reader{number}", "sleep", covered_to=number) for number in range(4)]

    settled = await fill_all(db, a_filler())

    passed_over = [reader for reader in readers if reader not in await queued(db)]
    assert settled == len(passed_over) == 2
    assert all([await covered_to(db, reader) == 3 for reader in passed_over])
