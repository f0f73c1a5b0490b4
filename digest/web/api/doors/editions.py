"""Editions: what became of them, counted from the rows; and the word that stops one, or sends one now."""

from datetime import datetime
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import Query
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from digest import publications
from digest.editions import held, models, overview, plan
from digest.outbox import cancelled, progress
from digest.web.api import answers, problems, shapes
from digest.web.api.route import Call, Calling
from digest.web.api.shapes import Given, Shown

# To count the mails of an Edition of a million takes 0.3 s.
PAGE, LARGEST_PAGE = 20, 50


class EditionListed(Shown):
    """An edition and its mails by state. `empty` are readers for whom it had nothing."""

    id: int
    frequency: str
    timezone: str
    slot: str = Field(description="The local date it is for, or now-… for one sent out of turn.")
    state: models.EditionState
    reason: str | None
    due_at: datetime
    planned_at: datetime
    paused_at: datetime | None
    finished_at: datetime | None
    upto: int = Field(description="The position up to which it tells.")
    deliveries: dict[str, int]
    total: int
    done: int
    percent: float


class EditionShape(EditionListed):
    per_second: float = Field(description="Accepted in the last minute.")
    seconds_left: int | None
    troubles: dict[str, int] = Field(description="Why mails did not simply go.")


class SendNow(Given):
    frequency: publications.Frequency | None = Field(None, description="Only its readers; left out, everybody.")


class Planned(Shown):
    editions: list[int]


async def listing(
    call: Calling,
    publication: shapes.Slug,
    state: Annotated[models.EditionState | None, Query()] = None,
    limit: Annotated[int, Query(description="How many at once.", ge=1, le=LARGEST_PAGE)] = PAGE,
    cursor: shapes.Cursor = None,
) -> Response:
    """Editions, the newest first."""
    edition = models.Edition
    statement = overview.query().order_by(edition.id.desc()).limit(limit + 1)
    if state is not None:
        statement = statement.where(edition.state == state)
    if after := answers.after(cursor):
        statement = statement.where(edition.id < after)
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        rows = (await connection.execute(statement.where(edition.publication_id == row.id))).all()
        counted = await progress.of_editions(connection, [one.id for one in rows], call.now)
    shown = [EditionListed(**_columns(one, counted[one.id])) for one in rows]
    return answers.page(call.request, shown, [one.id for one in rows], limit)


async def get(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """One edition, with how fast it goes and what is in its way."""
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        return answers.of(await _shown(connection, row.id, id, call.now))


async def release(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """Let one go that was held because it would have been late for many."""
    return await _act(call, publication, id, held.release)


async def pause(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """Let nothing more of it leave, also when it is being sent right now."""
    return await _act(call, publication, id, held.pause)


async def resume(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """Let a paused edition go on."""
    return await _act(call, publication, id, held.resume)


async def cancel(call: Calling, publication: shapes.Slug, id: shapes.Id) -> Response:
    """Stop it for good. What has not left comes with the next one."""
    async with call.parts.db.reading() as connection:
        row = await call.publication(connection, publication)
        answers.check(call.request, await _shown(connection, row.id, id, call.now))
    await cancelled.cancel(call.parts.db, id, call.now)
    async with call.parts.db.reading() as connection:
        return answers.of(await _shown(connection, row.id, id, call.now))


async def send_now(call: Calling, publication: shapes.Slug, given: SendNow) -> Response:
    """Plan an edition for each cadence with readers, outside the schedule. It is sent within seconds."""
    async with call.parts.db.transaction() as connection:
        row = await call.publication(connection, publication)
        ids = await overview.cadences_read(connection, row.id, given.frequency)
        planned = await plan.send_now(connection, ids, call.now)
    return answers.of(Planned(editions=planned), 202)


async def _act(call: Call, slug: str, id_: int, act: Any) -> Response:
    async with call.parts.db.transaction() as connection:
        row = await call.publication(connection, slug)
        answers.check(call.request, await _shown(connection, row.id, id_, call.now))
        await act(connection, id_, call.now)
        return answers.of(await _shown(connection, row.id, id_, call.now))


async def _shown(connection: AsyncConnection, publication_id: int, id_: int, now: datetime) -> EditionShape:
    is_it = sa.and_(models.Edition.id == id_, models.Edition.publication_id == publication_id)
    row = (await connection.execute(overview.query().where(is_it))).one_or_none()
    if row is None:
        raise problems.Problem("not-found", f"there is no edition {id_}")
    found = (await progress.of_editions(connection, [id_], now))[id_]
    left = found.left
    return EditionShape(
        **_columns(row, found),
        per_second=round(found.rate, 1),
        seconds_left=None if left is None or row.paused_at else round(left.total_seconds()),
        troubles=await progress.troubles(connection, id_),
    )


def _columns(row: Any, found: progress.Progress) -> dict[str, Any]:
    counted = {
        "deliveries": {state.value: count for state, count in found.counts.items() if count},
        "total": found.total,
        "done": found.done,
        "percent": round(100 * found.share, 1),
    }
    return {name: getattr(row, name) for name in EditionListed.model_fields if name not in counted} | counted
