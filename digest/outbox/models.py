"""Batch and Delivery. Columns and constraints only.

A Delivery's states: queued → sending → sent | deferred | doubtful | failed, or instead of sending: rolled, withheld,
empty. The partial unique index lets at most one Delivery per Subscription be in flight (design: no reader can get two
overlapping digests, whatever two nodes do).
"""

import enum
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, sql


class BatchState(enum.StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"


class DeliveryState(enum.StrEnum):
    QUEUED = "queued"
    SENDING = "sending"  # handed over: its content may be on the wire
    SENT = "sent"
    DEFERRED = "deferred"  # to be tried again at retry_at
    DOUBTFUL = "doubtful"  # content sent, no reply recorded
    FAILED = "failed"
    ROLLED = "rolled"  # its Articles are in the next digest
    WITHHELD = "withheld"  # this reader does not want it (any more)
    EMPTY = "empty"  # nothing new that matches


OPEN = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.DEFERRED, DeliveryState.DOUBTFUL)
IN_FLIGHT = (DeliveryState.SENDING, DeliveryState.DOUBTFUL)
WAITING = (DeliveryState.DEFERRED, DeliveryState.DOUBTFUL)


class Batch(database.Base):
    """Some 2,000 Deliveries that one worker holds by a lease. `priority` 0 goes before 10."""

    __tablename__ = "batches"
    __table_args__ = (
        sa.UniqueConstraint("edition_id", "ordinal"),
        sa.Index(
            None, "priority", "id", postgresql_where=sa.text("state <> 'done'"), sqlite_where=sa.text("state <> 'done'")
        ),
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    edition_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    ordinal: orm.Mapped[int | None]
    priority: orm.Mapped[int] = orm.mapped_column(default=10)
    state: orm.Mapped[BatchState] = orm.mapped_column(database.states(BatchState), default=BatchState.QUEUED)
    owner: orm.Mapped[str | None]
    lease_until: orm.Mapped[datetime | None]
    tries: orm.Mapped[int] = orm.mapped_column(default=0)


class Delivery(database.Base):
    """One mail to one reader. The range (covered_from, upto] and the Selection are frozen at hand-over."""

    __tablename__ = "deliveries"
    __table_args__ = (
        # Fill may be asked twice; also finds all Deliveries of an Edition.
        sa.UniqueConstraint("edition_id", "subscription_id"),
        # At most one mail to a reader at a time; also tells fill and the hand-over who waits for an answer.
        sa.Index("ix_deliveries_in_flight", "subscription_id", unique=True, **sql.only(IN_FLIGHT)),
        # What a Batch still has to send. Each row of it costs when filling, and is gone once the Delivery has ended.
        sa.Index("ix_deliveries_batch", "batch_id", **sql.only(OPEN)),
        # Retries by their time.
        sa.Index("ix_deliveries_retry", "retry_at", **sql.only(WAITING)),
        # Notices by their end, to be pruned. Digests are found by their Edition.
        sa.Index(
            "ix_deliveries_notices",
            "finished_at",
            postgresql_where=sa.text("edition_id IS NULL"),
            sqlite_where=sa.text("edition_id IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    kind: orm.Mapped[str] = orm.mapped_column(default="digest")
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    edition_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    subscription_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    # Of a notice about another address; it goes once that change is gone.
    address_change_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    batch_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    state: orm.Mapped[DeliveryState] = orm.mapped_column(database.states(DeliveryState), default=DeliveryState.QUEUED)
    covered_from: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    upto: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    selection_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    # Where it went last: a doubtful mail is repeated there and nowhere else, for only that relay can know it again.
    relay: orm.Mapped[str | None]
    tries: orm.Mapped[int] = orm.mapped_column(default=0)
    doubts: orm.Mapped[int] = orm.mapped_column(default=0)
    created_at: orm.Mapped[datetime]
    first_tried_at: orm.Mapped[datetime | None]
    retry_at: orm.Mapped[datetime | None]
    handed_over_at: orm.Mapped[datetime | None]
    finished_at: orm.Mapped[datetime | None]
    code: orm.Mapped[int | None]
    # Whom a refusal by the reader's side blamed last: address or destination. Never set by a fault of ours.
    blame: orm.Mapped[str | None]
    reason: orm.Mapped[str | None]


class Bucket(database.Base):
    """How much a relay may still bring to a destination; destination "" is the relay as a whole.

    A token bucket as one number: `free_at` is when the next token is there, in seconds of the database's clock. Floats,
    because a token of a fast bucket is worth less than the millisecond that SQLite's dates know.
    """

    __tablename__ = "buckets"
    relay: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    destination: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    free_at: orm.Mapped[float] = orm.mapped_column(sa.Double, default=0)
    # What the last taker got: RETURNING cannot tell it from the new values of the other columns.
    granted: orm.Mapped[int] = orm.mapped_column(default=0)
    # Until when those who were put off have their turn.
    booked_to: orm.Mapped[float] = orm.mapped_column(sa.Double, default=0)


class Pause(database.Base):
    """A destination that turns us away, and nothing goes there until `until`; then one process may try first."""

    __tablename__ = "pauses"
    relay: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    destination: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    since: orm.Mapped[datetime]
    until: orm.Mapped[datetime]
    try_until: orm.Mapped[datetime | None]
    level: orm.Mapped[int] = orm.mapped_column(default=0)
    reason: orm.Mapped[str]


class Ration(database.Base):
    """How many mails a From domain has sent on one UTC day, for the warm-up."""

    __tablename__ = "rations"
    domain: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    day: orm.Mapped[date] = orm.mapped_column(primary_key=True)
    used: orm.Mapped[int] = orm.mapped_column(default=0)
