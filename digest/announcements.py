"""What a publisher's own programs want to be told: Endpoints, and the Announcements that wait for them.

Owns both tables. An Announcement is left in the transaction of what it tells, so nothing is announced that was rolled
back and nothing forgotten that was committed; `webhooks/` brings it where it belongs. Where no Endpoint wants an event,
leaving it costs one look at a table with no rows. Holds ids only, no address: what is told of a reader is read when it
is told.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database


class Event(enum.StrEnum):
    """What can be told, named as the Standard Webhooks specification names events."""

    SUBSCRIBED = "subscription.subscribed"  # asked for, not yet confirmed
    CONFIRMED = "subscription.confirmed"
    CHANGED = "subscription.changed"
    UNSUBSCRIBED = "subscription.unsubscribed"
    BOUNCED = "subscription.bounced"  # the address does not exist, or took nothing for weeks
    ERASED = "subscription.erased"
    EDITION_SENT = "edition.sent"
    PING = "ping"  # a trial


# As `database.states`, with room for their names.
_EVENTS = sa.Enum(Event, native_enum=False, length=40, values_callable=lambda kind: [event.value for event in kind])
WANTABLE = tuple(event for event in Event if event is not Event.PING)


class Endpoint(database.Base):
    """A URL that is told. `publication_id` NULL hears of all. `secret` and `old_secret` are sealed, never plain.

    `rests_until`: after failures in a row it is left alone for a moment. `stopped_at`: it is told nothing more until
    the operator says so, and what happens meanwhile waits.
    """

    __tablename__ = "endpoints"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 - SQLAlchemy's own declaration
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    url: orm.Mapped[str]
    events: orm.Mapped[list[Any]]
    secret: orm.Mapped[str]
    old_secret: orm.Mapped[str | None]
    old_until: orm.Mapped[datetime | None]
    created_at: orm.Mapped[datetime]
    rests_until: orm.Mapped[datetime | None]
    stopped_at: orm.Mapped[datetime | None]
    stopped_reason: orm.Mapped[str | None]


class Announcement(database.Base):
    """One event for one Endpoint. `facts` is what cannot be read later, `body` what was sent first."""

    __tablename__ = "announcements"
    __table_args__ = (
        sa.Index(
            "ix_announcements_waiting",
            "endpoint_id",
            "due_at",
            postgresql_where=sa.text("ended_at IS NULL"),
            sqlite_where=sa.text("ended_at IS NULL"),
        ),
        sa.Index(None, "subscription_id"),
        sa.Index(None, "ended_at"),
        {"sqlite_autoincrement": True},
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    endpoint_id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger)
    event: orm.Mapped[Event] = orm.mapped_column(_EVENTS)
    at: orm.Mapped[datetime]
    subscription_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    edition_id: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    facts: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    body: orm.Mapped[str | None]
    tries: orm.Mapped[int] = orm.mapped_column(default=0)
    due_at: orm.Mapped[datetime]
    ended_at: orm.Mapped[datetime | None]
    is_told: orm.Mapped[bool] = orm.mapped_column(default=False)
    trouble: orm.Mapped[str | None]


@dataclass(frozen=True, slots=True)
class Note:
    """Something to be told. `publication_id` None: that of the Subscription, which is looked up if anybody listens."""

    event: Event
    at: datetime
    publication_id: int | None = None
    subscription_id: int | None = None
    edition_id: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


async def leave(connection: AsyncConnection, notes: Sequence[Note], *, owners: sa.Select[Any] | None = None) -> None:
    """Leave these for every Endpoint that wants them. `owners` selects (subscription id, publication id) of notes that
    name no Publication.
    """
    if not notes:
        return
    endpoints = (await connection.execute(_LISTENING)).all()
    wanted = {event for endpoint in endpoints for event in endpoint.events}
    heard = [note for note in notes if note.event in wanted]
    if not heard:
        return
    found = (await connection.execute(owners)).all() if owners is not None else []
    known: dict[int, int] = {row[0]: row[1] for row in found}
    rows = [row for endpoint in endpoints for row in _rows(endpoint, heard, known)]
    if rows:
        await connection.execute(sa.insert(Announcement), rows)


_LISTENING = sa.select(Endpoint.id, Endpoint.publication_id, Endpoint.events)


def _rows(endpoint: sa.Row[Any], notes: Iterable[Note], known: Mapping[int, int]) -> list[dict[str, Any]]:
    return [
        {
            "endpoint_id": endpoint.id,
            "event": note.event,
            "at": note.at,
            "due_at": note.at,
            "subscription_id": note.subscription_id,
            "edition_id": note.edition_id,
            "facts": dict(note.facts),
        }
        for note in notes
        if note.event in endpoint.events
        and endpoint.publication_id in (None, note.publication_id or known.get(note.subscription_id or 0))
    ]


async def forget(connection: AsyncConnection, subscription_ids: sa.Select[Any]) -> None:
    """What was to be told of these readers, or was told, goes."""
    theirs = Announcement.subscription_id.in_(subscription_ids)
    await connection.execute(sa.delete(Announcement).where(theirs))
