"""Requests that may come twice: with an Idempotency-Key, the second is answered as the first was, for a day.

The name is taken by a row before anything is done, so of two at the same moment one acts and the other is told to wait.
A process that dies in between leaves that row behind; then the next try acts again.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest import database, sql
from digest.web.api import answers
from digest.web.api.models import ApiAnswer
from digest.web.api.problems import Problem

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
METHODS = ("POST", "PATCH")  # PUT and DELETE may be repeated as they are
KEPT = timedelta(hours=24)
# Longer than any request of ours takes.
AT_WORK = timedelta(minutes=5)
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Turn:
    """Our turn to answer the request of this name."""

    db: database.Database
    id: int

    async def keep(self, response: Response) -> None:
        """Answers that may be different next time are not kept."""
        values = {
            "status": response.status_code,
            "headers": answers.headers_of(response),
            "body": bytes(response.body).decode(),
        }
        async with self.db.transaction() as connection:
            await connection.execute(sa.update(ApiAnswer).where(ApiAnswer.id == self.id).values(values))

    async def drop(self) -> None:
        async with self.db.transaction() as connection:
            await connection.execute(sa.delete(ApiAnswer).where(ApiAnswer.id == self.id))


def name_of(request: Request) -> str | None:
    """The Idempotency-Key, where it means something. Raises Problem for one that is none."""
    name = request.headers.get(HEADER)
    if name is None or request.method not in METHODS:
        return None
    if not 0 < len(name) <= MAX_NAME or not (name.isascii() and name.isprintable()):
        raise Problem("malformed", f"{HEADER} must be 1 to {MAX_NAME} printable ASCII characters")
    return name


async def take(
    db: database.Database, key_id: int, request: Request, body: bytes, now: datetime
) -> Turn | Response | None:
    """A Turn, or the answer given before; None where no name was sent. Raises Problem."""
    name = name_of(request)
    if name is None:
        return None
    asked = _hash(request, body)
    async with db.transaction() as connection:
        # What is too old to count goes first, so that the name is free again.
        is_over = sa.or_(
            ApiAnswer.created_at <= now - KEPT,
            sa.and_(ApiAnswer.status.is_(None), ApiAnswer.created_at <= now - AT_WORK),
        )
        is_it = sa.and_(ApiAnswer.key_id == key_id, ApiAnswer.name == name)
        await connection.execute(sa.delete(ApiAnswer).where(is_it, is_over))
        new = sql.insert(connection, ApiAnswer).values(
            key_id=key_id, name=name, request_hash=asked, headers={}, body="", created_at=now
        )
        id_ = (await connection.execute(new.on_conflict_do_nothing().returning(ApiAnswer.id))).scalar()
        return Turn(db, id_) if id_ else await _again(connection, is_it, asked)


async def _again(connection: AsyncConnection, is_it: sa.ColumnElement[bool], asked: str) -> Response:
    row = (await connection.execute(sa.select(ApiAnswer).where(is_it))).one_or_none()
    if row is None or (row.status is None and row.request_hash == asked):
        raise Problem(
            "conflict", f"the first request with this {HEADER} is still at work", headers={"Retry-After": "1"}
        )
    if row.request_hash != asked:
        raise Problem("key-reused", f"another request was sent with this {HEADER}")
    return Response(row.body, row.status, {**row.headers, REPLAYED: "true"})


def _hash(request: Request, body: bytes) -> str:
    head = f"{request.method} {request.url.path}?{request.url.query}\n".encode("utf-8", "surrogateescape")
    return hashlib.sha256(head + body).hexdigest()


async def forget(connection: AsyncConnection, text: str) -> None:
    """Keep no answer that says this: the address of somebody who is erased. A day's answers are few to look through."""
    said = ApiAnswer.body.contains(text, autoescape=True)
    await connection.execute(sa.delete(ApiAnswer).where(said))


async def prune(db: database.Database, now: datetime) -> int:
    """Forget what nobody may ask for any more."""
    async with db.transaction() as connection:
        return (await connection.execute(sa.delete(ApiAnswer).where(ApiAnswer.created_at <= now - KEPT))).rowcount
