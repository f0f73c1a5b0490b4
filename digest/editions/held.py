"""The operator's word on an Edition: let a held one go, or call one off.

Both are conditional updates, so that two operators, or an operator and a pass, cannot undo each other's work. A
cancelled Edition moves no reader: its Articles come with the next one.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors
from digest.editions import models

CANCELLABLE = (models.EditionState.PLANNED, models.EditionState.FILLED, models.EditionState.HELD)


class EditionError(errors.DigestError):
    """There is no such Edition, or it is past what was asked."""


async def release(connection: AsyncConnection, edition_id: int, now: datetime) -> None:
    """Let a held Edition go out. Its hours to live count from now. Raises EditionError."""
    values = {"state": models.EditionState.PLANNED, "planned_at": now, "reason": None}
    await _move(connection, edition_id, (models.EditionState.HELD,), values)


async def cancel(connection: AsyncConnection, edition_id: int) -> None:
    """Hand nothing of this Edition over any more. Mails handed over already cannot be called back."""
    values = {"state": models.EditionState.CANCELLED, "reason": "cancelled by the operator"}
    await _move(connection, edition_id, CANCELLABLE, values)


async def _move(
    connection: AsyncConnection, edition_id: int, states: tuple[models.EditionState, ...], values: Mapping[str, object]
) -> None:
    edition = models.Edition
    moved = sa.update(edition).where(edition.id == edition_id, edition.state.in_(states)).values(values)
    if (await connection.execute(moved)).rowcount:
        return
    state = await connection.scalar(sa.select(edition.state).where(edition.id == edition_id))
    if state is None:
        raise EditionError(f"there is no edition {edition_id}; see: digest status")
    wanted = " or ".join(states)
    raise EditionError(f"edition {edition_id} is {state}, and only one that is {wanted} can be changed so")
