"""Verbs about single Editions: list, release, pause, resume, cancel. Counts come from the Deliveries themselves."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest.commands import output, session
from digest.editions import held, models, overview
from digest.outbox import cancelled, models as outbox
from digest.run import wiring

Act = Callable[[AsyncConnection, int, datetime], Awaitable[bool]]


def listing(*, limit: int, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as connection:
            return await _newest(connection, limit)

    found = session.play(work)
    header = ("edition", "publication", "frequency", "timezone", "slot", "state", "deliveries")
    rows = [(e["id"], *(e[key] for key in header[1:5]), _standing(e), _counted(e["deliveries"])) for e in found]
    output.show({"editions": found}, output.table(header, rows) if rows else ["no editions yet"], as_json=as_json)
    return 0


async def _newest(connection: AsyncConnection, limit: int) -> list[dict[str, Any]]:
    """The newest Editions, the newest first."""
    statement = overview.query().order_by(models.Edition.id.desc()).limit(limit)
    rows = (await connection.execute(statement)).all()
    counts = await _counts(connection, [row.id for row in rows])
    columns = ("id", "publication", "frequency", "timezone", "slot", "due_at", "planned_at", "state", "reason")
    more = ("paused_at", "finished_at", "settled")
    return [{key: getattr(row, key) for key in (*columns, *more)} | {"deliveries": counts[row.id]} for row in rows]


async def _counts(connection: AsyncConnection, ids: Sequence[int]) -> dict[int, dict[str, int]]:
    delivery = outbox.Delivery
    counted = (
        sa.select(delivery.edition_id, delivery.state, sa.func.count().label("deliveries"))
        .where(delivery.edition_id.in_(ids))
        .group_by(delivery.edition_id, delivery.state)
    )
    found: dict[int, dict[str, int]] = defaultdict(dict)
    for row in await connection.execute(counted):
        found[row.edition_id][row.state.value] = row.deliveries
    return found


def _standing(edition: dict[str, Any]) -> str:
    paused_at = edition["paused_at"]
    return f"{edition['state']}, paused since {paused_at:%Y-%m-%d %H:%M}" if paused_at else str(edition["state"])


def _counted(counts: dict[str, int]) -> str:
    in_order = (state.value for state in outbox.DeliveryState)
    return ", ".join(f"{counts[state]} {state}" for state in in_order if counts.get(state)) or "none"


def release(edition_id: int, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> None:
        await held.release(connection, edition_id, parts.clock())

    session.transact(work)
    text = f"Edition {edition_id} goes out with the next run."
    output.show({"edition": edition_id, "state": "planned"}, [text], as_json=as_json)
    return 0


def pause(edition_id: int, *, now: str | None, as_json: bool) -> int:
    is_new = _act(held.pause, edition_id, now)
    text = f"Edition {edition_id} is paused; nothing of it leaves until: digest editions resume {edition_id}"
    text = text if is_new else f"Edition {edition_id} was paused already."
    output.show({"edition": edition_id, "paused": True, "changed": is_new}, [text], as_json=as_json)
    return 0


def resume(edition_id: int, *, now: str | None, as_json: bool) -> int:
    was_paused = _act(held.resume, edition_id, now)
    text = f"Edition {edition_id} goes on." if was_paused else f"Edition {edition_id} was not paused."
    output.show({"edition": edition_id, "paused": False, "changed": was_paused}, [text], as_json=as_json)
    return 0


def _act(act: Act, edition_id: int, now: str | None) -> bool:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> bool:
        return await act(connection, edition_id, parts.clock())

    return session.transact(work, at=session.clock_of(now))


def cancel(edition_id: int, *, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> tuple[bool, int, dict[str, int]]:
        at = parts.clock()
        is_new, rolled = await cancelled.cancel(parts.db, edition_id, at)
        async with parts.db.reading() as connection:
            return is_new, rolled, (await _counts(connection, [edition_id]))[edition_id]

    is_new, rolled, counts = session.play(work, at=session.clock_of(now))
    text = f"Edition {edition_id} {'is' if is_new else 'was'} cancelled{'' if is_new else ' already'}"
    lines = [f"{text}; its articles come with the next one.", f"Its mails: {_counted(counts)}."]
    document = {"edition": edition_id, "state": "cancelled", "changed": is_new, "rolled": rolled, "deliveries": counts}
    output.show(document, lines, as_json=as_json)
    return 0
