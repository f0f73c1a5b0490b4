"""Source and Article, and what was set aside. Columns and constraints only.

An Article without a position has not been released: it waits for its time, is held for the operator, or went
straight to the archive. A position, once given, is never taken away.
"""

import enum
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, publications

PUSH = "push"  # the address of the Source that Articles handed in one by one belong to


class SourceState(enum.StrEnum):
    ACTIVE = "active"
    ENDED = "ended"  # answered 410 Gone, or was taken out of the Publication


class ArticleState(enum.StrEnum):
    WAITING = "waiting"  # release gives it a position at release_at
    HELD = "held"  # too many at once: waits for `digest release`
    ARCHIVED = "archived"  # too old when its Source was new: never mailed
    RELEASED = "released"
    RETRACTED = "retracted"  # keeps its position, matches nobody


def _partial(condition: str) -> dict[str, Any]:
    """An index of the few rows that have something to look for."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


class Source(database.Base):
    """A feed. `address` is what the publisher wrote, `fetch_url` where it has permanently moved to."""

    __tablename__ = "sources"
    __table_args__ = (sa.UniqueConstraint("publication_id", "address"), sa.Index(None, "next_fetch_at"))
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    address: orm.Mapped[str]
    fetch_url: orm.Mapped[str]
    title: orm.Mapped[str] = orm.mapped_column(default="")
    topics: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    state: orm.Mapped[SourceState] = orm.mapped_column(database.states(SourceState), default=SourceState.ACTIVE)
    is_polled: orm.Mapped[bool] = orm.mapped_column(default=True)
    next_fetch_at: orm.Mapped[datetime | None]
    fetched_at: orm.Mapped[datetime | None]
    etag: orm.Mapped[str | None]
    modified: orm.Mapped[str | None]
    failures: orm.Mapped[int] = orm.mapped_column(default=0)
    reason: orm.Mapped[str | None]


class Article(database.Base):
    __tablename__ = "articles"
    __table_args__ = (
        sa.UniqueConstraint("publication_id", "position"),
        sa.UniqueConstraint("source_id", "guid"),
        sa.Index(None, "state", "release_at"),  # release looks for what is due
        sa.Index(None, "publication_id", "url_key"),
        sa.Index(None, "source_id", "content_hash"),
        sa.Index(None, "image_due_at", **_partial("image_due_at IS NOT NULL")),
        sa.Index(None, "image_copy", **_partial("image_copy IS NOT NULL")),
    )
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    publication_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    source_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(Source.id))
    guid: orm.Mapped[str | None]
    url: orm.Mapped[str | None]
    url_key: orm.Mapped[str | None]
    content_hash: orm.Mapped[str]
    fingerprint: orm.Mapped[str]
    title: orm.Mapped[str]
    standfirst: orm.Mapped[str] = orm.mapped_column(default="")
    body: orm.Mapped[str] = orm.mapped_column(default="")
    image_url: orm.Mapped[str | None]
    image_alt: orm.Mapped[str] = orm.mapped_column(default="")
    image_width: orm.Mapped[int] = orm.mapped_column(default=0, server_default="0")  # 0 is not known
    image_height: orm.Mapped[int] = orm.mapped_column(default=0, server_default="0")
    image_kind: orm.Mapped[str] = orm.mapped_column(default="", server_default="")  # its format; empty is not known
    image_copy: orm.Mapped[str | None]  # the name of the Picture shown in its place
    image_due_at: orm.Mapped[datetime | None]  # when somebody should look at it
    image_tries: orm.Mapped[int] = orm.mapped_column(default=0, server_default="0")
    image_fault: orm.Mapped[str | None]  # why nothing came of the last look
    author: orm.Mapped[str] = orm.mapped_column(default="")
    minutes: orm.Mapped[int] = orm.mapped_column(default=1)
    categories: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    topics: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    related: orm.Mapped[list[Any]] = orm.mapped_column(default=list)
    published_at: orm.Mapped[datetime | None]
    release_at: orm.Mapped[datetime]
    released_at: orm.Mapped[datetime | None]
    state: orm.Mapped[ArticleState] = orm.mapped_column(database.states(ArticleState), default=ArticleState.WAITING)
    position: orm.Mapped[int | None] = orm.mapped_column(sa.BigInteger)
    version: orm.Mapped[int] = orm.mapped_column(default=1)
    created_at: orm.Mapped[datetime]
    updated_at: orm.Mapped[datetime]


class Fault(database.Base):
    """A feed item set aside at the last fetch of its Source, with the reason."""

    __tablename__ = "faults"
    __table_args__ = (sa.Index(None, "source_id"),)
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    source_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(Source.id, ondelete="CASCADE"))
    place: orm.Mapped[str]
    reason: orm.Mapped[str]
    found_at: orm.Mapped[datetime]


class Picture(database.Base):
    """A copy of our own, by the hash of its content: any node serves it, and equal pictures are kept once."""

    __tablename__ = "pictures"
    __table_args__ = (sa.Index(None, "made_at"),)
    name: orm.Mapped[str] = orm.mapped_column(primary_key=True)  # such as 0a1b….jpg
    content: orm.Mapped[bytes]
    width: orm.Mapped[int]
    height: orm.Mapped[int]
    made_at: orm.Mapped[datetime]  # when an Article last came to use it
