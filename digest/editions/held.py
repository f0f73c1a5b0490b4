"""The operator's word on an Edition: let a held one go, pause, resume, or call one off.

All lock the row before they look, so that two operators, or an operator and a pass, cannot undo each other's work;
asked twice, the second does nothing. A cancelled Edition moves no reader: its Articles come with the next one.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors
from digest.editions import models

State = models.EditionState
CANCELLABLE = (State.PLANNED, State.FILLED, State.HELD)
RUNNING = (State.PLANNED, State.FILLED)


class EditionError(errors.DigestError):
    """There is no such Edition, or it is past what was asked."""


async def release(connection: AsyncConnection, edition_id: int, now: datetime) -> None:
    """Let a held Edition go out. Its hours to live count from now. Raises EditionError."""
    await _expect(connection, edition_id, (State.HELD,))
    await _write(connection, edition_id, {"state": State.PLANNED, "planned_at": now, "reason": None})


async def pause(connection: AsyncConnection, edition_id: int, now: datetime) -> bool:
    """Hand nothing of it over until it is resumed; false if it was paused already. Raises EditionError."""
    row = await _expect(connection, edition_id, RUNNING)
    if row.paused_at is None:
        await _write(connection, edition_id, {"paused_at": now})
    return row.paused_at is None


async def resume(connection: AsyncConnection, edition_id: int, now: datetime) -> bool:
    """Let a paused Edition go on; false if it was not paused. Raises EditionError.

    The time it stood still does not count against the hours its mails may live.
    """
    row = await _expect(connection, edition_id, RUNNING)
    if row.paused_at is not None:
        stood_still = max(now - row.paused_at, timedelta(0))
        await _write(connection, edition_id, {"paused_at": None, "planned_at": row.planned_at + stood_still})
    return row.paused_at is not None


async def cancel(connection: AsyncConnection, edition_id: int, now: datetime) -> bool:
    """Hand nothing of it over any more; false if it was cancelled already. Raises EditionError.

    Mails handed over already cannot be called back: they end as they end.
    """
    row = await _expect(connection, edition_id, (*CANCELLABLE, State.CANCELLED))
    if row.state is State.CANCELLED:
        return False
    values = {"state": State.CANCELLED, "reason": "cancelled by the operator", "paused_at": None, "finished_at": now}
    await _write(connection, edition_id, values)
    return True


async def _expect(connection: AsyncConnection, edition_id: int, states: tuple[models.EditionState, ...]) -> Any:
    """The Edition, locked, in one of these states."""
    edition = models.Edition
    query = sa.select(edition).where(edition.id == edition_id).with_for_update()
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        raise EditionError(f"there is no edition {edition_id}; see: digest editions list")
    if row.state not in states:
        is_now, wanted = f"edition {edition_id} is {row.state}", " or ".join(states)
        hint = f"; see: digest editions release {edition_id}" if row.state is State.HELD else ""
        raise EditionError(f"{is_now}, and only one that is {wanted} can be changed so{hint}")
    return row


async def _write(connection: AsyncConnection, edition_id: int, values: Mapping[str, object]) -> None:
    await connection.execute(sa.update(models.Edition).where(models.Edition.id == edition_id).values(values))
