"""Subscriber, Subscription and its Cadence, Suppression, and the trail of changes. Columns and constraints only.

`covered_to` is the one number that keeps a reader from losing or repeating an Article: all at or below it is settled.
Ids are never used again (AUTOINCREMENT on SQLite), because links in old mails carry them for ever.
"""

import enum
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, publications, sql


class SubscriptionState(enum.StrEnum):
    PENDING = "pending"  # has not confirmed: gets nothing but the request to
    ACTIVE = "active"
    UNSUBSCRIBED = "unsubscribed"
    FAILING = "failing"  # too long without an accepted mail: waits for the reader or the operator


class SuppressionReason(enum.StrEnum):
    ERASED = "erased"
    REFUSED = "refused"  # the receiving server says the address does not exist
    COMPLAINED = "complained"
    OPERATOR = "operator"


class Subscriber(database.Base):
    """A person, known by one address. Mail goes to `email` as spelled; `key` is what makes it unique."""

    __tablename__ = "subscribers"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own declaration
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    email: orm.Mapped[str]
    key: orm.Mapped[str] = orm.mapped_column(unique=True)
    name: orm.Mapped[str] = orm.mapped_column(default="")
    created_at: orm.Mapped[datetime]


class TopicSet(database.Base):
    """One choice of Topics, shared by all who chose the same, so that choosing runs once for all of them."""

    __tablename__ = "topic_sets"
    __table_args__ = (sa.UniqueConstraint("publication_id", "key"),)
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    key: orm.Mapped[str]
    topics: orm.Mapped[list[Any]]


class AddressChange(database.Base):
    """The address a person wants to move to, and which of the two has agreed; the newest wish only.

    `subscription_id` is the one in whose name both are asked.
    """

    __tablename__ = "address_changes"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own declaration
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    subscriber_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, unique=True)
    subscription_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    email: orm.Mapped[str]
    key: orm.Mapped[str]
    asked_at: orm.Mapped[datetime]
    old_agreed_at: orm.Mapped[datetime | None]
    new_agreed_at: orm.Mapped[datetime | None]
    done_at: orm.Mapped[datetime | None]


class Cadence(database.Base):
    """One choice of frequency, weekday, local time and zone, shared by all who chose the same: due work is found among
    some hundred rows and never by looking at readers.

    `weekday` is 0 (Monday) to 6, and 0 where the frequency knows none. `instant` has no `next_due_at`; any other
    frequency has none only until it is first scheduled, counting from `created_at`.
    """

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
    created_at: orm.Mapped[datetime]
    next_due_at: orm.Mapped[datetime | None]
    planned_at: orm.Mapped[datetime | None]
    planned_upto: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)


class Subscription(database.Base):
    """A Subscriber's standing wish for one Publication. `topic_set_id` NULL means every Article."""

    __tablename__ = "subscriptions"
    __table_args__ = (
        sa.UniqueConstraint("subscriber_id", "publication_id"),
        sa.Index(None, "cadence_id", "id"),
        sa.Index(
            None,
            "notice_due",
            postgresql_where=sa.text("notice_due IS NOT NULL"),
            sqlite_where=sa.text("notice_due IS NOT NULL"),
        ),
        # Who has not confirmed: few, and looked for to be forgotten.
        sa.Index("ix_subscriptions_pending", "id", **sql.only((SubscriptionState.PENDING,))),
        {"sqlite_autoincrement": True},
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    subscriber_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    cadence_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    topic_set_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    state: orm.Mapped[SubscriptionState] = orm.mapped_column(database.states(SubscriptionState))
    generation: orm.Mapped[int] = orm.mapped_column(default=1)
    covered_to: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, default=0)
    last_date: orm.Mapped[date | None]
    last_instant_at: orm.Mapped[datetime | None]
    paused_until: orm.Mapped[datetime | None]
    locale: orm.Mapped[str | None]
    # How mails are laid out, where it is not as the Publication has it: one of preferences.LAYOUTS.
    layout: orm.Mapped[str | None]
    # Editions in a row that could not be delivered, and since when.
    misses: orm.Mapped[int] = orm.mapped_column(default=0, server_default="0")
    missing_since: orm.Mapped[datetime | None]
    notice_due: orm.Mapped[str | None]
    created_at: orm.Mapped[datetime]
    confirmed_at: orm.Mapped[datetime | None]
    left_at: orm.Mapped[datetime | None]


class Change(database.Base):
    """The trail: who changed what in a Subscription, when, and through which door. Never an address."""

    __tablename__ = "changes"
    __table_args__ = (sa.Index(None, "subscription_id"),)
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    subscription_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    at: orm.Mapped[datetime]
    what: orm.Mapped[str]
    door: orm.Mapped[str]
    before: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    # Why, where a reader who left has said so: an unsubscribe.Reason.
    reason: orm.Mapped[str | None]


class Suppression(database.Base):
    """An address we may not write to, as a keyed hash: the list itself tells nobody who is on it."""

    __tablename__ = "suppressions"
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    address_hash: orm.Mapped[str] = orm.mapped_column(unique=True)
    reason: orm.Mapped[SuppressionReason] = orm.mapped_column(database.states(SuppressionReason))
    note: orm.Mapped[str] = orm.mapped_column(default="")
    created_at: orm.Mapped[datetime]


class Consent(database.Base):
    """What somebody agreed to, where and when: kept for as long as the Subscription, and shown to whoever asks for it.

    `page` is where they were asked, `wording` a hash of the words they saw. The address they came from is kept as a
    keyed hash only. Both are empty where another system asked them.
    """

    __tablename__ = "consents"
    __table_args__ = (sa.Index(None, "subscription_id"),)
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    subscription_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    asked_at: orm.Mapped[datetime]
    confirmed_at: orm.Mapped[datetime | None]
    page: orm.Mapped[str]
    wording: orm.Mapped[str]
    origin_hash: orm.Mapped[str]


class Wording(database.Base):
    """The words somebody saw when they agreed, kept once under their hash, for whoever must show them later."""

    __tablename__ = "wordings"
    key: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    text: orm.Mapped[str]
    first_at: orm.Mapped[datetime]


class SignUp(database.Base):
    """What somebody typed into a form, until a pass looks at it. Until then it is the same whoever the address is of,
    so neither the answer nor its delay tells who is a reader. `due_at` is put off when a look at it fails.
    """

    __tablename__ = "sign_ups"
    __table_args__ = (sa.Index(None, "due_at"), sa.Index(None, "key"))
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    email: orm.Mapped[str]
    key: orm.Mapped[str]
    choice: orm.Mapped[dict[str, Any]]
    locale: orm.Mapped[str | None]
    page: orm.Mapped[str]
    wording: orm.Mapped[str]
    origin_hash: orm.Mapped[str]
    asked_at: orm.Mapped[datetime]
    due_at: orm.Mapped[datetime]


class Rate(database.Base):
    """How often something was done in the window that ends at `expires_at`. Keys hold no address, only hashes."""

    __tablename__ = "rates"
    __table_args__ = (sa.Index(None, "expires_at"),)
    key: orm.Mapped[str] = orm.mapped_column(primary_key=True)
    count: orm.Mapped[int]
    expires_at: orm.Mapped[datetime]
