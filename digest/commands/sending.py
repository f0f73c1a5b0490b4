"""How Editions come along, for `digest status`: counted afresh from their Deliveries each time. Reads only."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import database, sql
from digest.commands import bar, output
from digest.editions import held, models, overview
from digest.outbox import models as outbox, progress
from digest.run import pulse

# Enough to see what goes on; the rest is counted.
SHOWN = 20
NAMES = ("publication", "frequency", "timezone", "slot")
FACTS = ("due_at", "state", "paused_at", "finished_at", "reason")


async def gather(db: database.Database, now: datetime) -> dict[str, Any]:
    """Editions that are not over, all mails that have not ended (those of all time would take for ever to count), and
    since when the oldest work is due.
    """
    async with db.reading() as connection:
        waiting = await progress.waiting(connection)
        found = {
            "now": now,
            "editions": await running(connection, now),
            "deliveries": {state.value: count for state, count in waiting.items()},
            "waiting_for": await progress.reasons_to_wait(connection),
            "pauses": await _pauses(connection, now),
        }
        unsent = await progress.oldest_due(connection, now)
    unplanned = await pulse.oldest_due(db, now)
    return found | {"oldest_due_at": min((at for at in (unplanned, unsent) if at), default=None)}


def summary(found: dict[str, Any]) -> list[str]:
    told = lines(found["editions"])
    told.append("mails open   " + counted(found["deliveries"]))
    if oldest := found["oldest_due_at"]:
        late = bar.duration((found["now"] - oldest).total_seconds())
        told.append(f"oldest due   {oldest:%Y-%m-%d %H:%M} UTC, {late} ago")
    told += [f"waiting for  {count:,}: {reason}" for reason, count in found["waiting_for"].items()]
    for one in found["pauses"]:
        where = f"{one['destination']} by way of {one['relay']}"
        told.append(f"turned away  from {where}, until {one['until']:%Y-%m-%d %H:%M} UTC: {one['reason']}")
    return output.cleaned(told)


async def _pauses(connection: AsyncConnection, now: datetime) -> list[dict[str, Any]]:
    """Destinations that turn us away, the one that opens last first."""
    pause = outbox.Pause
    names = ("relay", "destination", "since", "until", "reason")
    rows = await connection.execute(sa.select(pause).where(pause.until > now).order_by(pause.until.desc()))
    return [{name: getattr(row, name) for name in names} for row in rows]


async def running(connection: AsyncConnection, now: datetime) -> list[dict[str, Any]]:
    """Editions that are not over, the newest first, with their progress."""
    is_open = sql.among(models.Edition.state, models.OPEN)
    rows = (await connection.execute(overview.query().where(is_open).order_by(models.Edition.id.desc()))).all()
    found = await progress.of_editions(connection, [row.id for row in rows], now)
    return [_document(row, found[row.id]) for row in rows]


async def one(connection: AsyncConnection, edition_id: int, now: datetime) -> dict[str, Any]:
    """One Edition, over or not, with what stood in the way of its mails. Raises EditionError."""
    row = (await connection.execute(overview.query().where(models.Edition.id == edition_id))).one_or_none()
    if row is None:
        raise held.EditionError(f"there is no edition {edition_id}; see: digest status")
    found = await progress.of_editions(connection, [edition_id], now)
    return _document(row, found[edition_id]) | {"troubles": await progress.troubles(connection, edition_id)}


def _document(row: Any, found: progress.Progress) -> dict[str, Any]:
    left = found.left
    return {name: getattr(row, name) for name in ("id", *NAMES, *FACTS)} | {
        "state": row.state.value,
        "deliveries": {state.value: count for state, count in found.counts.items()},
        "total": found.total,
        "done": found.done,
        "percent": round(100 * found.share, 1),
        "per_second": round(found.rate, 1),
        "seconds_left": None if left is None or row.paused_at else round(left.total_seconds()),
    }


def lines(found: Sequence[dict[str, Any]]) -> list[str]:
    if not found:
        return ["editions     none open"]
    header = ("edition", *NAMES, "state", "done", "mails", "rate", "left", "reason")
    rows = [_cells(edition) for edition in found[:SHOWN]]
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return [*output.table(header, rows), *more, ""]


def _cells(edition: dict[str, Any]) -> tuple[Any, ...]:
    rate = edition["per_second"]
    return (
        *(edition[key] for key in ("id", *NAMES)),
        "paused" if edition["paused_at"] else edition["state"],
        _done(edition),
        counted(edition["deliveries"]),
        f"{rate:,.0f}/s" if rate >= 1 else f"{rate * 60:,.0f}/min" if rate else "",
        time_left(edition),
        edition["reason"],
    )


def _done(edition: dict[str, Any]) -> str:
    """Of an Edition whose mails are still to be made, nothing is done, though the share says all."""
    return f"{edition['percent']:.1f} % of {edition['total']:,}" if edition["total"] else ""


def time_left(edition: dict[str, Any]) -> str:
    left = edition["seconds_left"]
    return bar.duration(left) if left else ""


def single(edition: dict[str, Any]) -> list[str]:
    """One Edition at length."""
    known = [key for key in (*NAMES, *FACTS) if edition[key] is not None]
    facts = [(key.removesuffix("_at"), edition[key]) for key in known]
    if edition["total"]:
        facts.append(("mails", f"{_done(edition)} done"))
    facts += [("", f"{count:,} {state}") for state, count in edition["deliveries"].items() if count]
    if edition["per_second"]:
        facts.append(("rate", f"{edition['per_second']:,.1f}/s"))
    if edition["seconds_left"]:
        facts.append(("left", time_left(edition)))
    facts += [("trouble", f"{count:,}: {reason}") for reason, count in edition["troubles"].items()]
    return output.cleaned(f"{name:<12} {_shown(value)}" for name, value in (("edition", edition["id"]), *facts))


def _shown(value: Any) -> str:
    return f"{value:%Y-%m-%d %H:%M} UTC" if isinstance(value, datetime) else str(value)


def counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items() if count) or "none"
