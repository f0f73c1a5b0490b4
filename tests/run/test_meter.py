"""The figures from rows: true when they are read, read seldom, and unknown when the database is."""

import math

import pytest

from digest import metrics
from digest.editions import plan
from digest.outbox.models import Batch, Delivery, DeliveryState
from digest.run import meter
from tests.support import cast, table

pytestmark = pytest.mark.anyio


def a_meter(db, now=cast.NOW):
    return meter.Meter(db, lambda: now)


async def test_what_waits_is_told_by_state(db):
    batch = await table.add(db, Batch, edition_id=None)
    for number, state in enumerate(DeliveryState):
        values = {"publication_id": 1, "subscription_id": number, "created_at": cast.NOW - 30 * cast.SECOND}
        is_waiting = state in (DeliveryState.DEFERRED, DeliveryState.DOUBTFUL)
        where = {"retry_at": cast.NOW} if is_waiting else {"batch_id": batch}
        await table.add(db, Delivery, state=state, **values, **where)
    text = (await a_meter(db).text()).decode()
    for state in ("queued", "sending", "deferred", "doubtful"):
        assert f'digest_deliveries_open{{state="{state}"}} 1.0' in text
    assert metrics.value("digest_batches_due") == 1
    assert metrics.value("digest_lateness_seconds") == 30
    assert metrics.value("digest_database_up") == 1


async def test_nothing_due_is_not_late_and_what_is_not_planned_is(db):
    await a_meter(db).text()
    assert metrics.value("digest_lateness_seconds") == 0
    assert metrics.value("digest_editions_open", state="held") == 0
    publication = await cast.a_publication(db)
    await cast.a_subscription(db, publication)
    await plan.run(db, plan.Policy(), cast.NOW)
    due_at = (await table.row(db, cast.models.Cadence)).next_due_at
    await a_meter(db, due_at + 90 * cast.SECOND).text()
    assert metrics.value("digest_lateness_seconds") == 90


async def test_rows_are_not_read_for_everybody_who_asks(db, monkeypatch):
    one = a_meter(db)
    await one.text()
    await table.add(db, Batch, edition_id=None)
    await one.text()
    assert metrics.value("digest_batches_due") == 0
    monkeypatch.setattr(meter, "REMEMBERED_SECONDS", 0)
    await one.text()
    assert metrics.value("digest_batches_due") == 1


async def test_a_database_that_is_gone_makes_figures_unknown_and_takes_no_other_away(db, monkeypatch):
    async def broken(*_):
        raise OSError("gone")

    await a_meter(db).text()
    monkeypatch.setattr(meter.progress, "waiting", broken)
    text = (await a_meter(db).text()).decode()
    assert "digest_database_up 0.0" in text
    assert math.isnan(metrics.value("digest_lateness_seconds"))
    assert "digest_deliveries_open{" not in text
    assert "process_cpu_seconds_total" in text
