"""Readiness tells the truth: what failed, what is silent, what is late, and whether the database answers."""

import asyncio
from datetime import timedelta

import pytest

from digest import database
from digest.audience.models import Cadence, SubscriptionState
from digest.editions import plan
from digest.outbox.models import Batch, Delivery
from digest.run import instance, pulse
from tests.support import cast, table

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)


async def look(db, beats=None, name="test", now=cast.NOW, names=()):
    return await pulse.look(db, beats or pulse.Pulse(), name, now, names)


async def test_all_well(db):
    found = await look(db)
    assert found.is_ready
    assert found.facts["oldest_due_at"] is None


async def test_a_failure_shows_until_the_pass_ends_well(db):
    beats = pulse.Pulse()
    beats.fail("plan", "no disk")
    assert (await look(db, beats)).reasons == ("plan: no disk",)
    beats.beat("plan")
    assert (await look(db, beats)).is_ready


async def test_a_pass_that_never_ends_shows_after_a_while(db, monkeypatch):
    beats = pulse.Pulse()
    assert (await look(db, beats, names=("send",))).is_ready  # just started
    beats.started -= pulse.SILENT_SECONDS + 1
    assert not (await look(db, beats, names=("send",))).is_ready
    beats.beat("send")
    assert (await look(db, beats, names=("send",))).is_ready


async def test_late_work_shows_and_work_that_is_just_due_does_not(db):
    publication = await cast.a_publication(db)
    reader = await cast.a_subscription(db, publication)
    await plan.run(db, plan.Policy(), cast.NOW)
    due_at = (await table.row(db, Cadence)).next_due_at
    assert (await look(db, now=due_at + pulse.LATE)).is_ready
    late = await look(db, now=due_at + 2 * pulse.LATE)
    assert late.facts["oldest_due_at"] == due_at.isoformat()
    assert due_at.isoformat() in late.reasons[0]
    # Planned and not filled is late too; what nobody reads is not.
    await plan.run(db, plan.Policy(), due_at)
    assert not (await look(db, now=due_at + 2 * pulse.LATE)).is_ready
    await table.change(db, cast.models.Subscription, reader, state=SubscriptionState.UNSUBSCRIBED)
    await table.change(db, plan.models.Edition, state="filled")
    assert (await look(db, now=due_at + 9 * DAY)).is_ready


async def test_another_installations_database_shows_and_looking_claims_none(db):
    before = await cast.everything(db)
    assert (await look(db)).is_ready
    assert await cast.everything(db) == before
    await instance.check(db, "another")
    assert "digest adopt" in (await look(db)).reasons[0]


@pytest.mark.parametrize(
    "url",
    ["postgresql://nobody:secret@127.0.0.1:1/none", "sqlite:////{folder}/gone/digest.db"],
)
async def test_a_database_that_is_gone_shows_and_keeps_its_password(tmp_path, url):
    gone = database.connect(url.format(folder=tmp_path))
    if gone.is_sqlite:
        (tmp_path / "gone" / "digest.db").unlink()
        (tmp_path / "gone").rmdir()
    [reason] = (await look(gone)).reasons
    assert "cannot open the database" in reason
    assert "secret" not in reason
    await gone.close()
    await asyncio.sleep(0.1)  # the driver's thread says goodbye to a loop that should still be there


async def test_a_database_that_hangs_is_not_waited_for(db, monkeypatch):
    async def hang(*_):
        await asyncio.Event().wait()

    monkeypatch.setattr(instance, "look", hang)
    monkeypatch.setattr(pulse, "PATIENCE_SECONDS", 0.05)
    assert "not answered" in (await look(db)).reasons[0]


async def test_mails_that_wait_are_told_and_no_reason_to_worry(db):
    batch = await table.add(db, Batch, edition_id=None)
    values = {"publication_id": 1, "subscription_id": 1, "batch_id": batch, "created_at": cast.NOW - DAY}
    await table.add(db, Delivery, **values)
    found = await look(db)
    assert found.is_ready
    assert found.facts["oldest_mail_due_at"] == (cast.NOW - DAY).isoformat()
    assert found.facts["oldest_due_at"] is None
