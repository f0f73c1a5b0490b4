"""Several worker processes over one PostgreSQL: what each sends, and what the server does for each mail.

The server is a throwaway one with the durability of a real one, and statement statistics on. Workers, server and sink
share whatever cores there are, so on few cores the rate tells of the machine and the work for each mail of the program.
"""

import argparse
import asyncio
import contextlib
import functools
import tempfile
from pathlib import Path
from typing import Any

import bench_case
import bench_list
import bench_machine
import bench_tools
import sqlalchemy as sa
from bench_case import tell

from digest import database
from tests.support import postgres

WORKERS = (1, 2, 4)
# What a round adds to and changes in the database; the readers were there before.
TABLES = ("deliveries", "batches", "subscriptions", "subscribers")
SERVER = "-c listen_addresses= -c shared_preload_libraries=pg_stat_statements -c pg_stat_statements.track_planning=off"
TOP = 12


def run(arguments: list[str]) -> dict[str, Any]:
    options = _options().parse_args(arguments)
    cores = bench_machine.cores()
    with (
        tempfile.TemporaryDirectory(prefix="digest-bench-") as folder,
        bench_tools.sink(None) as port,
        postgres.server(SERVER) as url,
    ):
        kind = bench_case.Kind(articles=2, is_signed=False)
        ours = bench_case.Installation(Path(folder), url, kind, options.connections)
        asyncio.run(ours.make(bench_list.Readers(bench_case.NEAR, kind.articles, len(WORKERS) + 1, options.readers)))
        # One that is not counted: the server's caches fill, and its planner gets to know the tables.
        _round(ours, port, 1)
        rounds = {count: _round(ours, port, count) for count in WORKERS}
        sizes = asyncio.run(_sizes(url))
    return {"workers": rounds, "bytes_per_row": sizes, "cores": cores.count, "ok": True}


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench scale")
    parser.add_argument("--readers", type=int, default=20_000, help="mails in a round (20000)")
    parser.add_argument("--connections", type=int, default=64, help="connections of each worker (64)")
    return parser


def _round(ours: bench_case.Installation, port: int, count: int) -> dict[str, Any]:
    pid = bench_machine.postmaster(ours.url)
    server = functools.partial(bench_machine.cpu_seconds, pid) if pid else None
    with contextlib.ExitStack() as stack:
        url = f"smtp://127.0.0.1:{port}"
        workers = [stack.enter_context(ours.worker(url, name=f"worker-{number}")) for number in range(count)]
        before = asyncio.run(_logged(ours.url))
        filled: list[int] = []

        def ready() -> None:
            filled.append(asyncio.run(_reset(ours.url)) - before)

        found: dict[str, Any] = ours.send(workers, beside=server, ready=ready)
        found["per_second_per_worker"] = round(found["per_second"] / count)
        found["wal_bytes_to_fill_one"] = round(filled[0] / found["mails"])
        found |= asyncio.run(_work(ours.url, int(found["mails"])))
    tell(f"  {count} workers: {dict(list(found.items())[:-1])}")
    return found


async def _reset(url: str) -> int:
    """Count statements from here on; how much log has been written so far."""
    db = database.connect(url)
    async with db.transaction() as connection:
        await connection.execute(sa.text("CREATE EXTENSION IF NOT EXISTS pg_stat_statements"))
        await connection.execute(sa.text("SELECT pg_stat_statements_reset()"))
    await db.close()
    return await _logged(url)


async def _logged(url: str) -> int:
    """Bytes of write-ahead log since the server was made."""
    db = database.connect(url)
    async with db.reading() as connection:
        found = await connection.scalar(sa.text("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"))
    await db.close()
    return int(found)


async def _work(url: str, mails: int) -> dict[str, Any]:
    """What the server did since the last reset, for each mail; the dearest statements first."""
    db = database.connect(url)
    async with db.reading() as connection:
        rows = (await connection.execute(_STATEMENTS)).all()
    await db.close()
    return {
        "statements_per_mail": round(sum(row.calls for row in rows) / mails, 3),
        "transactions_per_mail": round(sum(row.calls for row in rows if row.query == "COMMIT") / mails, 4),
        "wal_bytes_per_mail": round(sum(row.wal_bytes for row in rows) / mails),
        "server_ms_per_mail": round(sum(row.total_exec_time for row in rows) / mails, 4),
        "dearest": [
            {
                "statement": " ".join(row.query.split())[:160],
                "calls_per_mail": round(row.calls / mails, 4),
                "ms_per_mail": round(row.total_exec_time / mails, 4),
                "wal_bytes_per_mail": round(row.wal_bytes / mails),
            }
            for row in rows[:TOP]
        ],
    }


_STATEMENTS = sa.text(
    """
    SELECT query, calls, total_exec_time, wal_bytes FROM pg_stat_statements
    WHERE query NOT LIKE '%pg_stat_statements%' ORDER BY total_exec_time DESC
    """
)


async def _sizes(url: str) -> dict[str, dict[str, int]]:
    """Bytes for each row, with indexes, after all rounds: what a table of so many rows needs on disk."""
    db = database.connect(url)
    found = {}
    async with db.engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        for table in TABLES:
            count = await connection.scalar(sa.text(f"SELECT count(*) FROM {table}"))
            used = (await connection.execute(_SIZES, {"table": table})).one()
            found[table] = {"rows": count, "table": used.own // count, "indexes": used.indexes // count}
    await db.close()
    return found


_SIZES = sa.text(
    "SELECT pg_table_size(CAST(:table AS regclass)) AS own, pg_indexes_size(CAST(:table AS regclass)) AS indexes"
)
