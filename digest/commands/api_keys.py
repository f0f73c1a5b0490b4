"""Verbs about the keys of the API: new, list, revoke."""

from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.commands import output, session
from digest.run import wiring
from digest.web.api import keys

SHOWN = ("id", "handle", "name", "publication", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at")


def new(name: str, scopes: tuple[str, ...], publication: str | None, days: float | None, *, as_json: bool) -> int:
    wish = keys.Wish(name, scopes, publication, days)

    async def work(parts: wiring.Parts, connection: AsyncConnection) -> tuple[int, str]:
        return await keys.make(connection, wish, parts.clock())

    id_, text = session.transact(work)
    output.show({"id": id_, "key": text}, [text], as_json=as_json)
    # The key alone on stdout, so that it can be piped to where it belongs.
    output.remark(f"this is key {id_}, and shown only now; end it with: digest keys revoke {id_}")
    return 0


def listing(*, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> list[dict[str, Any]]:
        async with parts.db.reading() as connection:
            return [{name: getattr(row, name) for name in SHOWN} for row in await keys.listing(connection)]

    found = session.play(work)
    header = ("id", "handle", "name", "publication", "scopes", "last used", "state")
    rows = [
        (k["id"], k["handle"], k["name"], k["publication"] or "all", " ".join(k["scopes"]), _used(k), _state(k))
        for k in found
    ]
    lines = output.table(header, rows) if rows else ["no keys yet; make one with: digest keys new NAME --scope SCOPE"]
    output.show({"keys": found}, lines, as_json=as_json)
    return 0


def _used(key: dict[str, Any]) -> str:
    return _day(key["last_used_at"]) or "never"


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return f"revoked {_day(key['revoked_at'])}"
    return f"until {_day(key['expires_at'])}" if key["expires_at"] else "good"


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else ""


def revoke(name: str, *, as_json: bool) -> int:
    async def work(parts: wiring.Parts, connection: AsyncConnection) -> bool:
        return await keys.revoke(connection, name, parts.clock())

    is_new = session.transact(work)
    output.show({"revoked": is_new}, ["Revoked." if is_new else "Was revoked already."], as_json=as_json)
    return 0
