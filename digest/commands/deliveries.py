"""Verbs about single Deliveries: which are in doubt, and what the operator says about one."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.commands import output, session
from digest.outbox import doubts
from digest.run import wiring

_SAID = {
    doubts.Verdict.SENT: "counts as sent; its articles do not come again",
    doubts.Verdict.RESEND: "is sent once more, as the same mail, with the next run",
    doubts.Verdict.ROLL: "rolls on; its articles come with the next digest",
}


def doubtful(*, limit: int, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as connection:
            rows = await doubts.find_all(connection, limit)
        return [_entry(row, holds=parts.settings.smtp.doubt == "hold") for row in rows]

    found = session.play(work)
    header = ("delivery", "edition", "slot", "email", "sent", "times", "next", "reason")
    lines = output.table(header, map(_row, found)) if found else ["nothing is in doubt"]
    output.show({"deliveries": found}, lines, as_json=as_json)
    return 0


def _entry(row: Any, *, holds: bool) -> dict[str, Any]:
    columns = ("id", "edition_id", "subscription_id", "slot", "email", "relay", "doubts", "handed_over_at", "reason")
    # What is in a Batch goes out with it; anything else by its time, or not by itself.
    is_held = row.batch_id is None and (holds or row.retry_at is None)
    entry = {column: getattr(row, column) for column in columns}
    return entry | {"held": is_held, "retry_at": None if is_held else row.retry_at}


def _row(entry: dict[str, Any]) -> tuple[Any, ...]:
    at, again = entry["handed_over_at"], entry["retry_at"]
    next_ = "held" if entry["held"] else f"{again:%Y-%m-%d %H:%M}" if again else "next run"
    said = (entry["id"], entry["edition_id"], entry["slot"], entry["email"])
    return (*said, f"{at:%Y-%m-%d %H:%M}" if at else "", entry["doubts"], next_, entry["reason"])


def resolve(delivery_id: int, verdict: str, *, now: str | None, as_json: bool) -> int:
    wanted = doubts.Verdict(verdict)

    async def work(parts: wiring.Parts, connection: AsyncConnection) -> None:
        await doubts.resolve(connection, delivery_id, wanted, parts.clock())

    session.transact(work, at=session.clock_of(now))
    text = f"Delivery {delivery_id} {_SAID[wanted]}."
    output.show({"delivery": delivery_id, "resolved": wanted.value}, [text], as_json=as_json)
    return 0
