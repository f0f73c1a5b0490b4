"""Edition and Selection. Columns and constraints only.

One Edition per Cadence and slot, whoever plans it. The Cadence itself is the readers' choice: audience/models.py.
"""

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, publications, sql
from digest.audience import models as audience


class EditionState(enum.StrEnum):
    PLANNED = "planned"  # fill has not reached its last Subscription yet
    FILLED = "filled"
    FINISHED = "finished"  # no Delivery of it is open any more
    HELD = "held"  # the flood breaker wants the operator to look
    SKIPPED = "skipped"  # too late to be worth sending: its Articles are in the next one
    CANCELLED = "cancelled"


OPEN = (EditionState.PLANNED, EditionState.FILLED, EditionState.HELD)


class Edition(database.Base):
    """`upto` is the head when it was planned; `slot` a local date, an instant, or now-<id>."""

    __tablename__ = "editions"
    __table_args__ = (
        sa.UniqueConstraint("cadence_id", "slot"),
        # The few that are not over yet: fill and retry look for them all day long.
        sa.Index(None, "state", **sql.only(OPEN)),
        # Those that were over long ago, to be pruned.
        sa.Index(None, "finished_at"),
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    cadence_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(audience.Cadence.id))
    slot: orm.Mapped[str]
    due_at: orm.Mapped[datetime]
    planned_at: orm.Mapped[datetime]
    upto: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    state: orm.Mapped[EditionState] = orm.mapped_column(database.states(EditionState), default=EditionState.PLANNED)
    reason: orm.Mapped[str | None]
    fill_cursor: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    settled: orm.Mapped[int] = orm.mapped_column(default=0)
    paused_at: orm.Mapped[datetime | None]  # since when the operator lets nothing of it be handed over
    finished_at: orm.Mapped[datetime | None]


def is_open_as(state: EditionState) -> sa.ColumnElement[bool]:
    """Editions in this state, one of OPEN, found by their index."""
    return sa.and_(sql.among(Edition.state, OPEN), Edition.state == state)


class Selection(database.Base):
    """The Articles one variant of a digest tells, frozen: shared by all Deliveries that tell the same."""

    __tablename__ = "selections"
    __table_args__ = (sa.UniqueConstraint("publication_id", "fingerprint"), sa.Index(None, "used_at"))
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    fingerprint: orm.Mapped[str]
    picks: orm.Mapped[dict[str, Any]]
    # When the latest Edition that tells this was planned.
    used_at: orm.Mapped[datetime | None]
