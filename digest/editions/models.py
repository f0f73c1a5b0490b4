"""Cadence, Edition and Selection. Columns and constraints only.

A Cadence is shared by all Subscriptions with the same frequency, weekday, local time and zone, so due work is found
among some hundred rows and never by looking at readers. One Edition per Cadence and slot, whoever plans it.
"""

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, publications


class EditionState(enum.StrEnum):
    PLANNED = "planned"  # fill has not reached its last Subscription yet
    FILLED = "filled"
    FINISHED = "finished"  # no Delivery of it is open any more
    HELD = "held"  # the flood breaker wants the operator to look
    SKIPPED = "skipped"  # too late to be worth sending: its Articles are in the next one
    CANCELLED = "cancelled"


class Cadence(database.Base):
    """`weekday` is 0 (Monday) to 6, and 0 where the frequency knows none. `instant` has no `next_due_at`."""

    __tablename__ = "cadences"
    __table_args__ = (
        sa.UniqueConstraint("publication_id", "frequency", "weekday", "send_at", "timezone"),
        sa.Index(None, "next_due_at"),
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    frequency: orm.Mapped[str]
    weekday: orm.Mapped[int] = orm.mapped_column(default=0)
    send_at: orm.Mapped[str]
    timezone: orm.Mapped[str]
    next_due_at: orm.Mapped[datetime | None]
    planned_at: orm.Mapped[datetime | None]
    planned_upto: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)


class Edition(database.Base):
    """`upto` is the head when it was planned; `slot` a local date, an instant, or now-<id>."""

    __tablename__ = "editions"
    __table_args__ = (
        sa.UniqueConstraint("cadence_id", "slot"),
        sa.Index(
            None,
            "state",
            postgresql_where=sa.text("state IN ('planned', 'filled', 'held')"),
            sqlite_where=sa.text("state IN ('planned', 'filled', 'held')"),
        ),
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    cadence_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(Cadence.id))
    slot: orm.Mapped[str]
    due_at: orm.Mapped[datetime]
    planned_at: orm.Mapped[datetime]
    upto: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    state: orm.Mapped[EditionState] = orm.mapped_column(database.states(EditionState), default=EditionState.PLANNED)
    reason: orm.Mapped[str | None]
    fill_cursor: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    settled: orm.Mapped[int] = orm.mapped_column(default=0)


class Selection(database.Base):
    """The Articles one variant of a digest tells, frozen: shared by all Deliveries that tell the same."""

    __tablename__ = "selections"
    __table_args__ = (sa.UniqueConstraint("publication_id", "fingerprint"),)
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    fingerprint: orm.Mapped[str]
    picks: orm.Mapped[dict[str, Any]]
