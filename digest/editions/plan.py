"""The pass that plans Editions: one per Cadence and slot, however often and from however many nodes it is asked.

Reads Cadences that are due; leaves Edition rows with `upto` = head, and the Cadence's next due instant. After
downtime a Cadence is caught up with ONE Edition, the latest due. Never looks at single readers.
"""

import dataclasses
from collections.abc import Iterable, Sequence
from datetime import datetime, time, timedelta
from typing import Any, cast

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, errors, publications, sql, zones
from digest.audience import models as audience
from digest.editions import cadence, models, slots

log = structlog.get_logger()

# A reader of `instant` hears from us at most this often.
INSTANT_PAUSE = timedelta(minutes=30)
# Cadences planned in one transaction; SQLite's write lock is held for some 2 ms each.
AT_ONCE = 12


@dataclasses.dataclass(frozen=True)
class Policy:
    """How late is too late, and when lateness is a flood that the operator should look at first.

    A flood is more than `flood_share` of a Publication's readers, and at least `flood_readers` of them, whose digest
    is more than `flood_late` late. The floor keeps a small list from stopping over one forgotten weekend.
    """

    max_lateness: timedelta | None = None
    flood_share: float = 0.2
    flood_late: timedelta = timedelta(hours=6)
    flood_readers: int = 100


@dataclasses.dataclass(frozen=True)
class _Due:
    cadence: Any
    rule: cadence.Rule
    due: cadence.Due


async def run(db: database.Database, policy: Policy, now: datetime) -> list[int]:
    """Plan all that is due; the ids of the new Editions."""
    await _schedule_new(db, now)
    due = await _find_due(db, now)
    floods = await _floods(db, due, policy, now)
    planned: list[int] = []
    for start in range(0, len(due), AT_ONCE):
        async with db.transaction() as connection:
            for one in due[start : start + AT_ONCE]:
                planned += await _plan(connection, one, now, _fate(one, floods, policy, now))
    return planned + await _plan_instant(db, now)


def rule_of(row: Any, spec: publications.Spec) -> cadence.Rule:
    """The Rule of a Cadence row; its Publication says from where fortnights count."""
    return cadence.Rule(
        cadence.Frequency(row.frequency),
        row.weekday,
        time.fromisoformat(row.send_at),
        row.timezone,
        spec.fortnight_anchor,
    )


async def send_now(connection: AsyncConnection, cadence_ids: Iterable[int], now: datetime) -> list[int]:
    """Plan an Edition outside the schedule for each of these Cadences; the ids of the Editions."""
    planned = []
    for cadence_id in cadence_ids:
        row = (await connection.execute(_cadences().where(audience.Cadence.id == cadence_id))).one()
        # The slot carries the Edition's own id, which is known only once the row exists.
        values = _values(row, due_at=now, now=now) | {"slot": f"now-?{cadence_id}"}
        id_ = (await connection.execute(sa.insert(models.Edition).values(values).returning(models.Edition.id))).scalar()
        assert id_ is not None
        await connection.execute(
            sa.update(models.Edition).where(models.Edition.id == id_).values(slot=slots.send_now(id_))
        )
        planned.append(id_)
    return planned


async def next_due_at(db: database.Database) -> datetime | None:
    """When the next Cadence that somebody reads is due."""
    async with db.reading() as connection:
        statement = sa.select(sa.func.min(audience.Cadence.next_due_at)).where(_has_readers())
        return (await connection.execute(statement)).scalar()


def _cadences() -> sa.Select[Any]:
    cadence_row, publication = audience.Cadence, publications.Publication
    return sa.select(
        cadence_row, publication.head, publication.spec, publication.slug, publication.id.label("owner_id")
    ).join(publication, publication.id == cadence_row.publication_id)


def _has_readers() -> sa.ColumnElement[bool]:
    subscription = audience.Subscription
    return (
        sa.exists()
        .where(subscription.cadence_id == audience.Cadence.id, subscription.state == audience.SubscriptionState.ACTIVE)
        .correlate(audience.Cadence)
    )


async def _schedule_new(db: database.Database, now: datetime) -> None:
    """Give Cadences that have none yet their first due instant, counted from when they began."""
    is_new = sa.and_(
        audience.Cadence.next_due_at.is_(None), audience.Cadence.frequency != cadence.Frequency.INSTANT.value
    )
    async with db.reading() as connection:
        rows = (await connection.execute(_cadences().where(is_new).order_by(audience.Cadence.id))).all()
    specs = _Specs()
    for start in range(0, len(rows), AT_ONCE):
        async with db.transaction() as connection:
            for row in rows[start : start + AT_ONCE]:
                rule = _find_rule(row, specs)
                at = cadence.next_due(rule, _beginning(row, now)) if rule else None
                await connection.execute(
                    sa.update(audience.Cadence).where(audience.Cadence.id == row.id, is_new).values(next_due_at=at)
                )


def _find_rule(row: Any, specs: "_Specs") -> cadence.Rule | None:
    """The Rule, or None for a zone that the rules in use do not know (any more): the other Cadences go on."""
    try:
        zones.get(row.timezone)
    except errors.DigestError as error:
        log.error("cadence_set_aside", cadence=row.id, reason=str(error))
        return None
    return rule_of(row, specs.of(row))


def _beginning(row: Any, now: datetime) -> datetime:
    """From when on a new Cadence counts: when it was made, or long ago if a virtual clock stands before that.

    An hour's grace, so that two nodes whose clocks differ a little do not mistake each other for a virtual clock.
    """
    if row.created_at <= now + timedelta(hours=1):
        return cast(datetime, row.created_at)
    return now - cadence.LONGEST_GAP[cadence.Frequency(row.frequency)]


async def _find_due(db: database.Database, now: datetime) -> list[_Due]:
    # In order of id: nodes that take the same rows in different order would wait for each other in a ring.
    due = _cadences().where(audience.Cadence.next_due_at <= now).order_by(audience.Cadence.id)
    async with db.reading() as connection:
        rows = (await connection.execute(due)).all()
    specs, found = _Specs(), []
    for row in rows:
        rule = _find_rule(row, specs)
        if rule is None:
            continue
        # `since` is exclusive, and the stored instant itself is due.
        latest = cadence.latest_due(rule, since=row.next_due_at - timedelta(microseconds=1), now=now)
        found.append(_Due(row, rule, latest or cadence.Due(row.next_due_at, cadence.local_date(rule, row.next_due_at))))
    return found


async def _plan(
    connection: AsyncConnection, one: _Due, now: datetime, fate: tuple[models.EditionState, str | None]
) -> list[int]:
    """Move the Cadence on and insert the Edition, unless another node has.

    Who moves the Cadence plans. A node that comes late could otherwise add an Edition of an older slot behind the
    newer one, which would then count as overtaken by it.
    """
    moved = sa.update(audience.Cadence).where(
        audience.Cadence.id == one.cadence.id, audience.Cadence.next_due_at <= now
    )
    if not (await connection.execute(moved.values(next_due_at=cadence.next_due(one.rule, now)))).rowcount:
        return []
    row = (await connection.execute(_cadences().where(audience.Cadence.id == one.cadence.id, _has_readers()))).first()
    if row is None:
        return []
    state, reason = fate
    values = _values(row, due_at=one.due.at, now=now) | {
        "slot": slots.scheduled(one.due.slot),
        "state": state,
        "reason": reason,
        "finished_at": now if state is models.EditionState.SKIPPED else None,
    }
    statement = sql.insert(connection, models.Edition).values(values).on_conflict_do_nothing()
    return list(await connection.scalars(statement.returning(models.Edition.id)))


def _values(row: Any, *, due_at: datetime, now: datetime) -> dict[str, Any]:
    return {
        "publication_id": row.publication_id,
        "cadence_id": row.id,
        "due_at": due_at,
        "planned_at": now,
        "upto": row.head,
        "state": models.EditionState.PLANNED,
    }


def _fate(one: _Due, floods: dict[int, str], policy: Policy, now: datetime) -> tuple[models.EditionState, str | None]:
    late = now - one.due.at
    if policy.max_lateness is not None and late > policy.max_lateness:
        return models.EditionState.SKIPPED, f"due {late} ago, later than the limit of {policy.max_lateness}"
    if late > policy.flood_late and one.cadence.publication_id in floods:
        return models.EditionState.HELD, floods[one.cadence.publication_id]
    return models.EditionState.PLANNED, None


async def _floods(db: database.Database, due: Sequence[_Due], policy: Policy, now: datetime) -> dict[int, str]:
    """Publications whose readers would get a flood of late mail, with the reason to show the operator."""
    late = [one.cadence.id for one in due if now - one.due.at > policy.flood_late]
    if not late:
        return {}
    subscription = audience.Subscription
    # Those another node has just held count too: it may have left us only the rest of the same flood.
    held = sa.select(models.Edition.cadence_id).where(models.is_open_as(models.EditionState.HELD))
    is_late = sa.case((sa.or_(subscription.cadence_id.in_(late), subscription.cadence_id.in_(held)), 1), else_=0)
    counts = (
        sa.select(subscription.publication_id, sa.func.sum(is_late).label("late"), sa.func.count().label("all"))
        .where(subscription.state == audience.SubscriptionState.ACTIVE)
        .group_by(subscription.publication_id)
    )
    async with db.reading() as connection:
        rows = (await connection.execute(counts)).all()
    hours = policy.flood_late.total_seconds() / 3600
    return {
        row.publication_id: f"{row.late} of {row.all} readers would get a digest more than {hours:g} hours late"
        for row in rows
        if row.late >= policy.flood_readers and row.late > policy.flood_share * row.all
    }


async def _plan_instant(db: database.Database, now: datetime) -> list[int]:
    """`instant`: whenever the head has grown, but never twice within INSTANT_PAUSE.

    The conditional UPDATE decides which node plans; the others find `planned_at` too recent.
    """
    cadence_row, publication = audience.Cadence, publications.Publication
    is_due = sa.and_(
        cadence_row.frequency == cadence.Frequency.INSTANT.value,
        cadence_row.planned_upto
        < sa.select(publication.head).where(publication.id == cadence_row.publication_id).scalar_subquery(),
        sa.or_(cadence_row.planned_at.is_(None), cadence_row.planned_at <= now - INSTANT_PAUSE),
        _has_readers(),
    )
    async with db.reading() as connection:
        ids = (await connection.execute(sa.select(cadence_row.id).where(is_due))).scalars().all()
    planned: list[int] = []
    for id_ in ids:
        async with db.transaction() as connection:
            row = (await connection.execute(_cadences().where(cadence_row.id == id_))).one()
            claim = sa.update(cadence_row).where(cadence_row.id == id_, is_due)
            if (await connection.execute(claim.values(planned_at=now, planned_upto=row.head))).rowcount:
                values = _values(row, due_at=now, now=now) | {"slot": slots.at_instant(now)}
                statement = sa.insert(models.Edition).values(values).returning(models.Edition.id)
                planned += await connection.scalars(statement)
    return planned


class _Specs:
    """Specs by Publication, parsed once per pass instead of once per Cadence."""

    def __init__(self) -> None:
        self._parsed: dict[int, publications.Spec] = {}

    def of(self, row: Any) -> publications.Spec:
        if row.owner_id not in self._parsed:
            self._parsed[row.owner_id] = publications.load(row.spec)
        return self._parsed[row.owner_id]
