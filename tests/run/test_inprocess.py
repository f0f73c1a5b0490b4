"""The engine in this process: the most urgent first, and what breaks stops nothing behind it."""

from datetime import timedelta

import pytest
from structlog import testing

from digest import errors, publications
from digest.articles.models import Article
from digest.outbox import batch
from digest.outbox.models import Batch
from digest.run import inprocess, passes
from tests.support import cast, table, world as worlds

pytestmark = pytest.mark.anyio


class BrokenError(errors.DigestError):
    pass


@pytest.fixture
def ran(world, monkeypatch):
    """Ids of the Batches run, in order. Those in `ran.broken` break, as a bug or a mistake does."""

    class Ran(list):
        def __init__(self):
            self.broken = {}

    seen = Ran()

    async def run_batch(sender, batch_id, _exhausted):
        seen.append(batch_id)
        if batch_id in seen.broken:
            raise seen.broken[batch_id]
        await table.change(sender.db, Batch, batch_id, state="done")
        return {"sent": 1}

    monkeypatch.setattr(batch, "run_batch", run_batch)
    return seen


async def some_batches(world, *priorities):
    return [await table.add(world.parts.db, Batch, priority=priority) for priority in priorities]


async def test_the_most_urgent_goes_first(world, ran):
    retry, first, notice, second = await some_batches(world, 20, 10, 0, 10)
    assert await inprocess.drain(world.sender, {}) == {"sent": 4}
    assert ran == [notice, first, second, retry]
    assert await inprocess.drain(world.sender, {}) == {}


async def test_what_always_breaks_stops_nothing_behind_it(world, ran):
    ids = await some_batches(world, 0, 10, 10, 20)
    ran.broken = {ids[0]: BrokenError("mend the template"), ids[2]: ZeroDivisionError()}
    failed = {}
    with testing.capture_logs() as logs:
        assert await inprocess.drain(world.sender, failed) == {"sent": 2}
    assert ran == ids  # each once, although the broken ones stay due
    assert failed == {ids[0]: "mend the template", ids[2]: "ZeroDivisionError"}
    assert [entry["event"] for entry in logs] == ["batch_failed"] * 2
    assert await inprocess.drain(world.sender, failed) == {}


async def test_asked_to_stop_it_takes_no_batch(world, ran):
    await some_batches(world, 10)
    world.sender.stopping.set()
    assert await inprocess.drain(world.sender, {}) == {}
    assert ran == []


async def test_a_row_of_one_publication_that_cannot_be_read_does_not_stop_another(db_url, tmp_path, now):
    """Both wait to be sent when the one is changed by a hand that is not ours; the other's readers get their mail."""
    async with worlds.a_world(db_url, tmp_path, now) as world:
        await world.subscribe("anna@example.org", "daily")
        await world.publish("one")
        await world.run()
        spec = cast.a_spec(slug="broken").model_dump(mode="json")
        values = {"spec": spec, "created_at": now, "applied_at": now}
        await table.add(world.parts.db, publications.Publication, slug="broken", **values)
        async with world.parts.db.reading() as connection:
            world.publication = await publications.get(connection, "broken")
        world._source_id = 0
        await world.subscribe("bert@example.org", "daily", send_at="06:00")  # due before the other
        await world.publish("two")
        await world.queue(after=timedelta(days=1))
        broken = spec | {"postal_address": 0}
        await table.change(world.parts.db, publications.Publication, world.publication.id, spec=broken, revision=1)
        report = await passes.run_due(world.parts, world.now, world.sender)
        assert [failure.partition(": ")[0] for failure in report.failures] == ["send"]
        assert "publication 'broken' in the database: postal_address" in report.failures[0]
        assert world.server.recipients() == ["anna@example.org"]
        assert len(await table.rows(world.parts.db, Article)) == 2
