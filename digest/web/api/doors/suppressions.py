"""Addresses nobody may write to: listed, asked for, added, lifted. They hold for all Publications.

The list names no address: of each there is a keyed hash alone.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from digest import addresses
from digest.audience import models, suppression
from digest.web.api import answers, problems, shapes
from digest.web.api.doors.reader_shapes import AddressGiven
from digest.web.api.route import Call, Calling
from digest.web.api.shapes import Shown


class SuppressionShape(Shown):
    id: int
    reason: models.SuppressionReason
    created_at: datetime


async def listing(call: Calling, limit: shapes.Limit = shapes.PAGE, cursor: shapes.Cursor = None) -> Response:
    """Suppressions, the newest first."""
    entry = models.Suppression
    statement = sa.select(entry).order_by(entry.id.desc()).limit(limit + 1)
    if after := answers.after(cursor):
        statement = statement.where(entry.id < after)
    async with call.parts.db.reading() as connection:
        rows = (await connection.execute(statement)).all()
    return answers.page(call.request, [_shape(row) for row in rows], [row.id for row in rows], limit)


async def add(call: Calling, given: AddressGiven) -> Response:
    """Never write to this address."""
    key = _key(given)
    async with call.parts.db.transaction() as connection:
        reason = models.SuppressionReason.OPERATOR
        is_new = await suppression.add(connection, call.parts.hasher, key, reason=reason, now=call.now)
        return answers.of(await _found(call, connection, key), 201 if is_new else 200)


async def lookup(call: Calling, given: AddressGiven) -> Response:
    """The suppression of an address, if there is one."""
    async with call.parts.db.reading() as connection:
        return answers.of(await _found(call, connection, _key(given)))


async def lift(call: Calling, id: shapes.Id) -> Response:
    """Let mail go to this address again."""
    entry = models.Suppression
    async with call.parts.db.transaction() as connection:
        row = (await connection.execute(sa.select(entry).where(entry.id == id).with_for_update())).one_or_none()
        if row is None:
            raise problems.Problem("not-found", f"there is no suppression {id}")
        answers.check(call.request, _shape(row))
        await connection.execute(sa.delete(entry).where(entry.id == id))
    return Response(status_code=204)


async def _found(call: Call, connection: AsyncConnection, key: str) -> SuppressionShape:
    row = await suppression.find(connection, call.parts.hasher, key)
    if row is None:
        raise problems.Problem("not-found", "this address is not suppressed")
    return _shape(row)


def _shape(row: Any) -> SuppressionShape:
    return SuppressionShape(id=row.id, reason=row.reason, created_at=row.created_at)


def _key(given: AddressGiven) -> str:
    try:
        return addresses.parse(given.email).key
    except addresses.AddressError as error:
        raise problems.refuse(str(error), "#/email") from None
