"""One Edition per Cadence and slot, however many ask, however late."""

import asyncio
from datetime import UTC, datetime, time, timedelta

import pytest
import sqlalchemy as sa
from structlog import testing

from digest import database, publications
from digest.audience import models as audience, preferences
from digest.editions import held, plan
from digest.editions.models import Edition, EditionState
from digest.publications import Publication
from tests.support import cast, table

pytestmark = pytest.mark.anyio

POLICY = plan.Policy()
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
H = ("heart",)


@pytest.fixture
async def publication(db):
    publication = await cast.a_publication(db)
    await cast.some_articles(db, publication.id, H, H, H)
    return publication


def choice(frequency="daily", timezone="UTC", send_at="08:00", weekday=0):
    return preferences.Choice(frequency, weekday, send_at, timezone)


async def a_reader(db, publication, email="anna@example.org", **values):
    picked = choice(**{key: values.pop(key) for key in ("frequency", "timezone", "send_at") if key in values})
    return await cast.a_subscription(db, publication, email, choice=picked, **values)


async def many_readers(db, publication, cadence_ids):
    """One reader for each of these Cadences, an id for each mention."""
    async with db.transaction() as connection:
        values = {"publication_id": publication.id, "state": "active", "created_at": cast.NOW}
        rows = [values | {"subscriber_id": 1000 + n, "cadence_id": id_} for n, id_ in enumerate(cadence_ids)]
        await connection.execute(sa.insert(audience.Subscription), rows)


async def a_cadence(db, publication, **picked):
    async with db.transaction() as connection:
        return await preferences.cadence_id(connection, publication.id, choice(**picked), cast.NOW)


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def editions(db):
    return [(row.slot, row.state.value) for row in await table.rows(db, Edition)]


async def test_an_edition_is_named_by_its_local_date_and_reaches_up_to_the_head(db, publication):
    await a_reader(db, publication, timezone="Pacific/Auckland")  # 08:00 there is 19:00 UTC the day before
    assert await plan.run(db, POLICY, at("2026-11-02T18:59")) == []
    [id_] = await plan.run(db, POLICY, at("2026-11-02T19:00"))
    edition = await table.row(db, Edition)
    assert (edition.id, edition.slot, edition.upto) == (id_, "2026-11-03", 3)
    assert (edition.due_at, edition.state) == (at("2026-11-02T19:00"), EditionState.PLANNED)


async def test_many_planners_make_one_edition_per_cadence_and_slot(db, db_url, publication):
    for number, zone in enumerate(("UTC", "Europe/Berlin", "Asia/Kathmandu")):
        await a_reader(db, publication, f"r{number}@example.org", timezone=zone)
    await a_reader(db, publication, "now@example.org", frequency="instant")
    nodes = [database.connect(db_url, pool_size=2) for _ in range(5)]
    for day in range(3):
        now = at("2026-11-03T09:00") + day * DAY
        planned = await asyncio.gather(*(plan.run(node, POLICY, now) for node in nodes))
        assert sum(map(len, planned)) == (4 if day == 0 else 3)  # no new Article: nothing more for `instant`
    rows = await table.rows(db, Edition)
    assert len({(row.cadence_id, row.slot) for row in rows}) == len(rows) == 10
    for node in nodes:
        await node.close()


async def test_after_days_of_downtime_there_is_one_edition_the_latest_due(db, publication):
    await a_reader(db, publication)
    assert len(await plan.run(db, POLICY, at("2026-11-09T12:00"))) == 1
    assert await editions(db) == [("2026-11-09", "planned")]
    assert await plan.run(db, POLICY, at("2026-11-10T07:59")) == []
    assert len(await plan.run(db, POLICY, at("2026-11-10T08:00"))) == 1


async def test_a_node_that_comes_late_adds_no_older_slot_behind_a_newer_one(db, db_url, publication, monkeypatch):
    await a_reader(db, publication)
    await plan.run(db, POLICY, cast.NOW)  # scheduled, nothing due
    original, other = plan._floods, database.connect(db_url)

    async def while_another_node_plans_tomorrow(*arguments):
        monkeypatch.setattr(plan, "_floods", original)
        await plan.run(other, POLICY, at("2026-11-03T08:00"))
        return await original(*arguments)

    monkeypatch.setattr(plan, "_floods", while_another_node_plans_tomorrow)
    assert await plan.run(db, POLICY, at("2026-11-02T08:00")) == []
    assert await editions(db) == [("2026-11-03", "planned")]
    await other.close()


async def test_a_cadence_without_active_readers_moves_on_and_plans_nothing(db, publication):
    await a_reader(db, publication, state=audience.SubscriptionState.UNSUBSCRIBED)
    await a_reader(db, publication, "pending@example.org", state=audience.SubscriptionState.PENDING)
    assert await plan.run(db, POLICY, at("2026-11-05T12:00")) == []
    assert (await table.row(db, audience.Cadence)).next_due_at == at("2026-11-06T08:00")
    assert await plan.next_due_at(db) is None


async def test_a_new_cadence_counts_from_when_it_was_chosen(db, publication):
    await a_reader(db, publication)  # chosen at 06:00, due at 08:00
    assert await plan.next_due_at(db) is None
    await plan.run(db, POLICY, cast.NOW)
    assert await plan.next_due_at(db) == at("2026-11-02T08:00")


async def test_a_virtual_clock_before_all_rows_plans_too(db, publication):
    await a_reader(db, publication)
    assert len(await plan.run(db, POLICY, cast.NOW - 100 * DAY)) == 1


async def test_a_cadence_of_an_unknown_zone_stops_no_other(db, publication):
    await a_reader(db, publication)
    await a_reader(db, publication, "moon@example.org", timezone="Europe/Berlin")
    [berlin] = await table.rows(db, audience.Cadence, timezone="Europe/Berlin")
    await table.change(db, audience.Cadence, berlin.id, timezone="Moon/Tycho")
    with testing.capture_logs() as logs:
        assert len(await plan.run(db, POLICY, at("2026-11-02T09:00"))) == 1
        await table.change(db, audience.Cadence, berlin.id, next_due_at=cast.NOW)
        assert len(await plan.run(db, POLICY, at("2026-11-03T09:00"))) == 1
    assert {entry["event"] for entry in logs} == {"cadence_set_aside"}
    assert "Moon/Tycho" in logs[0]["reason"]


class TestTooLate:
    async def test_an_edition_later_than_the_limit_is_skipped_with_the_reason(self, db, publication):
        await a_reader(db, publication)
        policy = plan.Policy(max_lateness=2 * HOUR)
        await plan.run(db, policy, at("2026-11-02T10:01"))
        await plan.run(db, policy, at("2026-11-03T10:00"))
        assert await editions(db) == [("2026-11-02", "skipped"), ("2026-11-03", "planned")]
        assert "limit" in (await table.rows(db, Edition))[0].reason


class TestFlood:
    LATE = at("2026-11-03T02:00") + DAY

    async def plan_late(self, db, publication, late, punctual):
        """Some readers whose digest is 18 hours late, and some whose is not due."""
        late_id = await a_cadence(db, publication)
        punctual_id = await a_cadence(db, publication, send_at="02:00")
        await many_readers(db, publication, [late_id] * late + [punctual_id] * punctual)
        await plan.run(db, POLICY, self.LATE)
        return (await table.row(db, Edition, cadence_id=late_id)).state.value

    @pytest.mark.parametrize(
        ("late", "punctual", "state"),
        [
            (99, 0, "planned"),  # a small list
            (100, 0, "held"),
            (100, 399, "held"),
            (100, 400, "planned"),  # no more than a fifth
        ],
    )
    async def test_a_large_share_that_is_very_late_is_held(self, db, publication, late, punctual, state):
        assert await self.plan_late(db, publication, late, punctual) == state

    async def test_what_is_not_late_goes_out_meanwhile(self, db, publication):
        await self.plan_late(db, publication, 200, 100)
        assert await editions(db) == [("2026-11-03", "held"), ("2026-11-04", "planned")]

    async def test_the_rest_of_a_flood_is_held_too_when_nodes_share_the_work(self, db, publication):
        first = await a_cadence(db, publication)
        await many_readers(db, publication, [first] * 150)
        await plan.run(db, POLICY, self.LATE)
        second = await a_cadence(db, publication, timezone="Europe/Berlin")
        async with db.transaction() as connection:
            moved = sa.update(audience.Subscription).where(audience.Subscription.subscriber_id < 1050)
            await connection.execute(moved.values(cadence_id=second))
        await plan.run(db, POLICY, self.LATE)
        assert [state for _, state in await editions(db)] == ["held", "held"]

    async def test_the_operator_lets_it_go(self, db, publication):
        await self.plan_late(db, publication, 100, 0)
        edition = await table.row(db, Edition)
        assert "100 of 100 readers" in edition.reason
        async with db.transaction() as connection:
            await held.release(connection, edition.id, self.LATE + HOUR)
        assert await editions(db) == [("2026-11-03", "planned")]


class TestInstant:
    async def test_planned_when_the_head_has_grown_and_never_twice_in_half_an_hour(self, db, publication):
        await a_reader(db, publication, frequency="instant")
        minute = timedelta(minutes=1)
        assert len(await plan.run(db, POLICY, cast.NOW)) == 1
        assert await plan.run(db, POLICY, cast.NOW + 40 * minute) == []
        await table.change(db, Publication, head=4)
        assert len(await plan.run(db, POLICY, cast.NOW + 41 * minute)) == 1
        await table.change(db, Publication, head=5)
        assert await plan.run(db, POLICY, cast.NOW + 70 * minute) == []
        assert len(await plan.run(db, POLICY, cast.NOW + 71 * minute)) == 1
        assert await table.column(db, Edition.upto) == [3, 4, 5]

    async def test_nothing_for_nobody(self, db, publication):
        await a_cadence(db, publication, frequency="instant", send_at="00:00")
        assert await plan.run(db, POLICY, cast.NOW) == []
        assert (await table.row(db, audience.Cadence)).planned_upto == 0


class TestSendNow:
    async def test_it_stands_beside_the_schedule(self, db, publication):
        await a_reader(db, publication)
        await plan.run(db, POLICY, cast.NOW)
        cadence = await table.row(db, audience.Cadence)
        async with db.transaction() as connection:
            [first] = await plan.send_now(connection, [cadence.id], cast.NOW)
            [second] = await plan.send_now(connection, [cadence.id], cast.NOW)
        assert await editions(db) == [(f"now-{first}", "planned"), (f"now-{second}", "planned")]
        assert await table.row(db, audience.Cadence) == cadence
        assert len(await plan.run(db, POLICY, at("2026-11-02T08:00"))) == 1


def test_the_rule_of_a_row_takes_the_anchor_from_its_publication():
    spec = cast.a_spec(fortnight_anchor="2026-01-05")
    row = audience.Cadence(frequency="fortnightly", weekday=2, send_at="07:30", timezone="Europe/Berlin")
    rule = plan.rule_of(row, publications.load(spec.model_dump(mode="json")))
    assert (rule.weekday, rule.send_at, rule.anchor) == (2, time(7, 30), spec.fortnight_anchor)
