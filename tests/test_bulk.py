"""Many rows in one statement are the rows that SQLAlchemy would have written one by one."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
import sqlalchemy as sa

from digest import bulk
from digest.audience import models

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 2, 6, 0, 0, 123456, tzinfo=UTC)
_SUBSCRIBERS = bulk.Insert(models.Subscriber, ("key", "email", "name"), alike=("created_at",), known_by=("key",))
_SUBSCRIPTIONS = bulk.Insert(
    models.Subscription,
    ("subscriber_id", "topic_set_id", "state", "covered_to", "paused_until", "left_at"),
    alike=("publication_id", "cadence_id", "created_at"),
    returning=("id", "state"),
)
_CHANGES = bulk.Insert(models.Change, ("subscription_id", "what", "door", "at", "before"))


async def _rows(db, model):
    async with db.reading() as connection:
        return (await connection.execute(sa.select(model).order_by(model.id))).all()


@pytest.mark.parametrize("brief", [True, False])
async def test_each_kind_of_value_comes_back_as_it_was(db, brief):
    moved = NOW.astimezone(timezone(timedelta(hours=9)))
    pending, active = models.SubscriptionState.PENDING, models.SubscriptionState.ACTIVE
    rows = [(1, None, pending, 0, None, NOW), (2, 7, active, 2**40, moved, None)]
    async with db.brief() if brief else db.transaction() as connection:
        added = await _SUBSCRIPTIONS.run(connection, rows, publication_id=3, cadence_id=4, created_at=NOW)
    found = await _rows(db, models.Subscription)
    told = [(r.subscriber_id, r.topic_set_id, r.state, r.covered_to, r.paused_until, r.left_at) for r in found]
    assert told == rows
    assert [(row.id, row.state) for row in added] == [(row.id, row.state) for row in found]
    assert {(row.publication_id, row.cadence_id, row.created_at) for row in found} == {(3, 4, NOW)}


async def test_columns_not_named_have_their_defaults(db):
    async with db.transaction() as connection:
        await _SUBSCRIPTIONS.run(
            connection,
            [(1, None, "active", 0, None, None)],
            publication_id=3,
            cadence_id=4,
            created_at=NOW,
        )
    [row] = await _rows(db, models.Subscription)
    assert (row.generation, row.misses, row.notice_due, row.last_date) == (1, 0, None, None)


async def test_documents_and_texts_are_not_taken_apart(db):
    before = {"topics": ["a", "ü"], "paused_until": None, 'with "quotes"': {"deep": 1}}
    texts = ["'; DROP TABLE changes; --", '{"a": 1}', "[1]", "null", "", "日本 🗞 \\ \n"]
    async with db.transaction() as connection:
        await _CHANGES.run(connection, [(1, text, "cli", NOW, before) for text in texts])
    found = await _rows(db, models.Change)
    assert [row.what for row in found] == texts
    assert [row.before for row in found] == [before] * len(texts)
    assert {row.at for row in found} == {NOW}


async def test_who_is_known_is_left_out_and_has_no_id_here(db):
    async with db.transaction() as connection:
        [first] = await _SUBSCRIBERS.run(connection, [("b@example.org", "B@example.org", "B")], created_at=NOW)
        later = NOW + timedelta(days=1)
        rows = [("a@example.org",) * 3, ("b@example.org", "b@example.org", "New"), ("c@example.org",) * 3]
        added = await _SUBSCRIBERS.run(connection, rows, created_at=later)
    found = {row.key: row for row in await _rows(db, models.Subscriber)}
    assert (found["b@example.org"].id, found["b@example.org"].name) == (first.id, "B")
    assert [row.id for row in added] == [found["a@example.org"].id, found["c@example.org"].id]


async def test_many_rows_get_new_values(db):
    async with db.transaction() as connection:
        await _CHANGES.run(connection, [(id_, "asked", "cli", NOW, {"a": id_}) for id_ in (1, 2, 3)])
        rows = [(1, "ü'", NOW + timedelta(days=1), {}), (3, "x", NOW, {"b": [None]}), (9, "none", NOW, {})]
        await bulk.update(connection, models.Change, ("what", "at", "before"), rows)
        await bulk.update(connection, models.Change, ("reason",), [(2, None), (3, "why")])
        await bulk.update(connection, models.Change, ("what",), [])
    found = [(row.id, row.what, row.at, row.before, row.reason) for row in await _rows(db, models.Change)]
    assert found == [
        (1, "ü'", NOW + timedelta(days=1), {}, None),
        (2, "asked", NOW, {"a": 2}, None),
        (3, "x", NOW, {"b": [None]}, "why"),
    ]


async def test_of_no_rows_nothing_is_asked(db):
    async with db.reading() as connection:
        assert await _SUBSCRIBERS.run(connection, [], created_at=NOW) == []


async def test_an_instant_without_a_zone_is_refused(db):
    async with db.transaction() as connection:
        with pytest.raises(TypeError, match="naive datetime"):
            await _CHANGES.run(connection, [(1, "changed", "cli", datetime(2026, 11, 2), {})])
