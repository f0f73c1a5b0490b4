"""The installation that gets hurt: a database with readers for one Edition, and looks into its rows.

Readers are made once for each pair of engine and database, by the database itself; every scenario works on a copy. The
rows only tell when a run is over: what readers got is counted elsewhere, from the SMTP servers.
"""

import asyncio
import contextlib
import dataclasses
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import bench_data
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from digest import database, sql
from digest.articles import models as articles
from digest.editions import models as editions
from digest.outbox import models as outbox
from tests.support import postgres

ROOT = Path(__file__).resolve().parent.parent
KEY = "chaos-signs-links-with-this-key-0123456789"
# As careful as a real server: a crash must not take back what was committed.
CAREFUL = "-c listen_addresses= -c max_connections=200 -c track_commit_timestamp=on"
PAIRS = ("sqlite", "postgres", "procrastinate")
DOMAINS = 50
OURS = editions.Edition.slot.not_like("past-%")


@dataclasses.dataclass(frozen=True)
class House:
    """A folder for settings and logs, and a database; `cluster` is its server where it has one."""

    pair: str
    home: Path
    url: str
    cluster: postgres.Cluster | None

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "DIGEST_HOME": str(self.home),
            "DIGEST_INSTANCE": "chaos",
            "DIGEST_SECRET_KEYS": KEY,
            "DIGEST_BASE_URL": "https://news.example.org",
            "DIGEST_DATABASE_URL": self.url,
            "DIGEST_ENGINE_KIND": "procrastinate" if self.pair == "procrastinate" else "in-process",
            "DIGEST_LOG_FORMAT": "json",
            **more,
        }

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[database.Database]:
        db = database.connect(self.url)
        try:
            yield db
        finally:
            await db.close()


@dataclasses.dataclass(frozen=True)
class Ground:
    """What the houses of one pair are copied from."""

    model: House
    readers: frozenset[str]
    folder: Path

    async def house(self, name: str, *, at: Path | None = None) -> House:
        """A house of its own, `at` another place if it must not share a disk."""
        home = at or self.folder / name / "home"
        home.mkdir(parents=True, exist_ok=True)
        if self.model.cluster is None:
            shutil.copy(self.model.home / "digest.db", home / "digest.db")
            return dataclasses.replace(self.model, home=home, url=f"sqlite:///{home}/digest.db")
        base = "digest_" + name.replace("-", "_")
        await _create(self.model.cluster.url, f"{base} TEMPLATE digest_model")
        return dataclasses.replace(self.model, home=home, url=_named(self.model.cluster.url, base))


@contextlib.asynccontextmanager
async def ground(pair: str, readers: int) -> AsyncIterator[Ground]:
    folder = Path(tempfile.mkdtemp(prefix="digest-chaos-"))
    try:
        with contextlib.ExitStack() as stack:
            cluster = None if pair == "sqlite" else stack.enter_context(postgres.cluster(CAREFUL))
            yield await _made(pair, readers, folder, cluster)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _made(pair: str, readers: int, folder: Path, cluster: postgres.Cluster | None) -> Ground:
    home = folder / "model"
    home.mkdir()
    url = f"sqlite:///{home}/digest.db"
    if cluster is not None:
        await _create(cluster.url, "digest_model")
        url = _named(cluster.url, "digest_model")
    model = House(pair, home, url, cluster)
    await _upgrade(model)
    async with model.opened() as db:
        await bench_data.make(db, bench_data.Audience("chaos", readers, datetime.now(UTC), topic_sets=4))
        names = await _people(db)
        await bench_data.let_settle(db)
    return Ground(model, names, folder)


async def _upgrade(house: House) -> None:
    """The schema, by the operator's own command, which does what the engine needs too."""
    if house.cluster is None:
        (house.home / "digest.db").touch()
    command = (sys.executable, "-m", "digest", "db", "upgrade")
    process = await asyncio.create_subprocess_exec(*command, env=house.environment(), stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError("digest db upgrade failed")


async def _people(db: database.Database) -> frozenset[str]:
    """Every Subscription gets its Subscriber. Returns all addresses."""
    async with db.transaction() as connection:
        await connection.execute(_PEOPLE, {"now": bench_data.NOW, "domains": DOMAINS})
        await connection.execute(sa.update(articles.Source).values(is_polled=False))
        return frozenset((await connection.execute(sa.text("SELECT email FROM subscribers"))).scalars())


_PEOPLE = sa.text(
    """
    INSERT INTO subscribers (id, email, key, name, created_at)
    SELECT subscriber_id, address, address, 'Reader ' || id, :now
    FROM (SELECT id, subscriber_id, 'reader' || id || '@in' || (id % :domains) || '.example.org' AS address
          FROM subscriptions) AS named
    """
).bindparams(sa.bindparam("now", type_=database.UtcDateTime()), sa.bindparam("domains", type_=sa.BigInteger()))


async def _create(url: str, what: str) -> None:
    engine = create_async_engine(url, isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.exec_driver_sql(f"CREATE DATABASE {what}")
    await engine.dispose()


def _named(url: str, name: str) -> str:
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


async def states(db: database.Database) -> Counter[str]:
    """How many Deliveries of our Edition are in which state; nothing while it is not filled."""
    delivery = outbox.Delivery
    filled = [editions.EditionState.FILLED, editions.EditionState.FINISHED]
    count = (
        sa.select(delivery.state, sa.func.count())
        .join(editions.Edition, editions.Edition.id == delivery.edition_id)
        .where(OURS, editions.Edition.state.in_(filled))
        .group_by(delivery.state)
    )
    async with db.reading() as connection:
        rows = (await connection.execute(count)).all()
    return Counter({state.value: number for state, number in rows})


def is_over(found: Counter[str]) -> bool:
    return bool(found) and not any(found[state.value] for state in outbox.OPEN)


async def hurry(db: database.Database) -> None:
    """Time passes: what waits for its next try is due now. A run of minutes cannot wait for pauses of minutes."""
    delivery, now = outbox.Delivery, datetime.now(UTC)
    waits = sa.and_(sql.among(delivery.state, outbox.WAITING), delivery.retry_at > now)
    async with db.transaction() as connection:
        await connection.execute(sa.update(delivery).where(waits).values(retry_at=now))
