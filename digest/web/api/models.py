"""ApiKey, and the answers kept for requests that may come twice. Columns and constraints only."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import orm

from digest import database, publications


class ApiKey(database.Base):
    """What opens the API. `handle` is the part of the key that may be shown; of the secret there is only the hash."""

    __tablename__ = "api_keys"
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    handle: orm.Mapped[str] = orm.mapped_column(unique=True)
    secret_hash: orm.Mapped[str]
    name: orm.Mapped[str]
    scopes: orm.Mapped[list[Any]]
    publication_id: orm.Mapped[int | None] = orm.mapped_column(sa.ForeignKey(publications.Publication.id))
    created_at: orm.Mapped[datetime]
    expires_at: orm.Mapped[datetime | None]
    revoked_at: orm.Mapped[datetime | None]
    last_used_at: orm.Mapped[datetime | None]  # to the hour


class ApiAnswer(database.Base):
    """What a request with an Idempotency-Key was answered, to be said again. `status` is NULL while it is at work."""

    __tablename__ = "api_answers"
    __table_args__ = (sa.UniqueConstraint("key_id", "name"), sa.Index(None, "created_at"))
    id: orm.Mapped[int] = orm.mapped_column(database.Key, primary_key=True)
    key_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(ApiKey.id))
    name: orm.Mapped[str]
    request_hash: orm.Mapped[str]
    status: orm.Mapped[int | None]
    headers: orm.Mapped[dict[str, Any]] = orm.mapped_column(default=dict)
    body: orm.Mapped[str] = orm.mapped_column(default="")
    created_at: orm.Mapped[datetime]
