"""How long a reader who leaves waits while the same process plans, fills and sends an Edition."""

import asyncio
import contextlib
import sqlite3
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import bench_list
import bench_web_load as load
import bench_web_site as site_
from bench_case import tell

from digest import database

EDITIONS = 2
# What a list of some millions brings when an Edition has just arrived.
RATE = 50
PATIENCE_SECONDS = 300


def measured(site: site_.Site, server: site_.Server) -> dict[str, Any]:
    """One-click requests by readers of the Edition itself, from before it is due until it is sent."""
    found = [_measured(site, server, number + 1) for number in range(EDITIONS)]
    # The worst of them: this is about what may happen.
    return max(found, key=lambda one: float(one["one_click"]["p99_ms"]))


def _measured(site: site_.Site, server: site_.Server, round_: int) -> dict[str, Any]:
    asks = site.leaving(site_.EDITION, round_)
    due_at = _next_minute(datetime.now(UTC) + timedelta(seconds=5))
    asyncio.run(_make_due(site.url, round_, due_at))
    time.sleep(max((due_at - datetime.now(UTC)).total_seconds() - 0.5, 0))
    # From the last reader on, so that they leave before their own turn comes.
    chosen = asks[::-1][: RATE * 4]
    asking = load.start(load.Load(server.port, 32, rate=RATE), chosen, site.home, site.cores.sink)
    one_click = load.finish(asking)
    sent = _sent(site.home / "digest.db")
    tell(f"  while an Edition is sent: {one_click} {sent}")
    return {"one_click": one_click, **sent}


def _next_minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0) + timedelta(minutes=1)


async def _make_due(url: str, round_: int, at: datetime) -> None:
    db = database.connect(url)
    await bench_list.make_due(db, site_.EDITION, round_, at)
    await db.close()


def _sent(path: Path) -> dict[str, Any]:
    """How the newest Edition went, once it is over."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            if db.execute(_LEFT).fetchone() is None:
                states = dict(db.execute(f"SELECT state, count(*) {_NEWEST} GROUP BY state").fetchall())
                ends = db.execute(f"SELECT min(finished_at), max(finished_at) {_NEWEST} AND state = 'sent'").fetchone()
                first, last = map(datetime.fromisoformat, ends)
                return {"states": states, "sending_seconds": round((last - first).total_seconds(), 2)}
        time.sleep(0.5)
    raise site_.RefusedError("the Edition was not sent in time")


_LEFT = "SELECT 1 FROM editions WHERE state = 'planned' UNION ALL SELECT 1 FROM batches WHERE state <> 'done' LIMIT 1"
_NEWEST = "FROM deliveries WHERE edition_id = (SELECT max(id) FROM editions)"
