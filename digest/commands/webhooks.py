"""Verbs about programs that are told what happens: add, list, remove, rotate, test, retry, log."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.commands import output, session
from digest.run import bugs, wiring
from digest.webhooks import deliver, endpoints

SHOWN = ("id", "publication", "url", "events", "waiting", "trouble", "created_at", "stopped_at", "stopped_reason")

LOGGED = ("id", "event", "at", "subscription_id", "edition_id", "tries", "due_at", "ended_at", "is_told", "trouble")


def add(publication: str | None, url: str, events: tuple[str, ...], *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> tuple[int, str]:
        wish = endpoints.Wish(url, publication, events)
        return await endpoints.add(connection, parts.hooks.seal, wish, parts.clock())

    id_, secret = session.transact(work)
    output.show({"id": id_, "secret": secret}, [secret], as_json=as_json)
    # The secret alone on stdout, so that it can be piped to where it belongs.
    output.remark(f"this is the secret of endpoint {id_}, and shown only now; try it with: digest webhooks test {id_}")
    return 0


async def shown(connection: AsyncConnection) -> list[dict[str, Any]]:
    return [{name: getattr(row, name) for name in SHOWN} for row in await endpoints.listing(connection)]


def listing(*, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as connection:
            return await shown(connection)

    found = session.play(work)
    header = ("id", "publication", "url", "events", "waiting", "state")
    rows = [(e["id"], e["publication"] or "all", e["url"], len(e["events"]), e["waiting"], _state(e)) for e in found]
    lines = output.table(header, rows) if rows else ["no endpoints yet; add one with: digest webhooks add URL"]
    output.show({"endpoints": found}, lines, as_json=as_json)
    return 0


def _state(endpoint: dict[str, Any]) -> str:
    if endpoint["stopped_at"]:
        return f"stopped {endpoint['stopped_at']:%Y-%m-%d %H:%M}: {endpoint['stopped_reason']}"
    return endpoint["trouble"] or "good"


def warnings(found: list[dict[str, Any]]) -> list[str]:
    """What the operator should look at."""
    return [
        f"webhook {e['id']} ({e['url']}) is told nothing more: {e['stopped_reason']}; {e['waiting']} wait. "
        f"When it is mended: digest webhooks retry {e['id']}"
        for e in found
        if e["stopped_at"]
    ]


def remove(endpoint_id: int, *, as_json: bool) -> int:
    async def work(_parts: wiring.Parts, connection: AsyncConnection) -> None:
        await endpoints.remove(connection, endpoint_id)

    session.transact(work)
    output.show(
        {"removed": endpoint_id}, [f"endpoint {endpoint_id} is removed, and what waited for it"], as_json=as_json
    )
    return 0


def rotate(endpoint_id: int, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> str:
        return await endpoints.rotate(connection, parts.hooks.seal, endpoint_id, parts.clock())

    secret = session.transact(work)
    output.show({"id": endpoint_id, "secret": secret}, [secret], as_json=as_json)
    output.remark("for a day everything is signed with the old secret too; change it at the receiver until then")
    return 0


def trial(endpoint_id: int, *, as_json: bool) -> int:
    """Tell a ping here and now; 1 when it was not taken."""

    async def work(parts: wiring.Parts) -> str | None:
        async with parts.db.transaction() as connection:
            id_ = await endpoints.trial(connection, endpoint_id, parts.clock())
        await deliver.tell(parts.hooks, id_, trap=bugs.caught)
        async with parts.db.reading() as connection:
            row = await endpoints.announcement(connection, id_)
        return None if row.is_told else row.trouble or "it is stopped, or busy with something else"

    trouble = session.play(work)
    lines = [f"endpoint {endpoint_id} {'took it' if trouble is None else f'did not take it: {trouble}'}"]
    output.show({"id": endpoint_id, "is_told": trouble is None, "trouble": trouble}, lines, as_json=as_json)
    return 0 if trouble is None else 1


def retry(endpoint_id: int, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> int:
        return await endpoints.retry(connection, endpoint_id, parts.clock())

    count = session.transact(work)
    output.show({"id": endpoint_id, "waiting": count}, [f"{count} announcements are due now"], as_json=as_json)
    return 0


def log(endpoint_id: int, limit: int, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> list[dict[str, Any]]:
        names = (
            "id",
            "event",
            "at",
            "subscription_id",
            "edition_id",
            "tries",
            "due_at",
            "ended_at",
            "is_told",
            "trouble",
        )
        rows = await endpoints.newest(connection, endpoint_id, limit)
        return [{name: getattr(row, name) for name in names} for row in rows]

    found = session.transact(work)
    header = ("id", "event", "at", "tries", "state")
    rows = [(a["id"], a["event"].value, f"{a['at']:%Y-%m-%d %H:%M}", a["tries"], _fate(a)) for a in found]
    lines = output.table(header, rows) if rows else ["nothing was told yet"]
    output.show({"announcements": found}, lines, as_json=as_json)
    return 0


def _fate(announcement: dict[str, Any]) -> str:
    if announcement["is_told"]:
        return "told"
    if announcement["ended_at"]:
        return f"given up: {announcement['trouble']}"
    waits = f"next try {announcement['due_at']:%Y-%m-%d %H:%M}"
    return f"{waits}: {announcement['trouble']}" if announcement["trouble"] else waits
