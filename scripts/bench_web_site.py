"""The installation whose pages are asked for: readers with links, a Publication to sign up for, and `digest serve`."""

import asyncio
import contextlib
import dataclasses
import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import bench_list
import bench_machine
import bench_tools
import bench_worker
import sqlalchemy as sa
from bench_web_load import Ask

from digest import database, links, publications
from digest.audience import models as audience
from digest.outbox import models as outbox
from digest.run import schema

ROOT = Path(__file__).resolve().parent.parent
NEAR, EDITION = "near", "edition"
# One-click as Gmail sends it.
ONE_CLICK = "List-Unsubscribe=One-Click"
# Without a limit that the bench would run into; they are counted all the same.
NO_LIMIT = "100000000/hour"
PATIENCE_SECONDS = 120


class RefusedError(Exception):
    """What was asked was not done, so there is nothing to measure."""


@dataclasses.dataclass(frozen=True)
class Site:
    """`readers` for each round of leaving, `edition` for each Edition that is sent beside it."""

    home: Path
    url: str
    cores: bench_machine.Cores
    smtp_port: int

    async def make(self, readers: bench_list.Readers, edition: bench_list.Readers | None = None) -> None:
        db = database.connect(self.url)
        await schema.upgrade(db)
        for one in filter(None, (readers, edition)):
            await bench_list.make(db, one)
        await _sign_up_page(db)
        await db.close()

    def settings(self, *, mails: bool) -> dict[str, object]:
        limits = {"total": NO_LIMIT, "per_domain": NO_LIMIT, "per_network": NO_LIMIT, "per_origin": NO_LIMIT}
        url = f"smtp://127.0.0.1:{self.smtp_port}" if mails else f"file://{self.home}/mails"
        return bench_worker.settings(self.url, url, connections=64) | {"sign_up": limits}

    @contextlib.contextmanager
    def serving(self) -> Iterator["Server"]:
        """`digest serve` on one core, with everything on."""
        port = bench_tools.free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DIGEST_")}
        environment |= {"PYTHONPATH": str(ROOT), "DIGEST_HOME": str(self.home)}
        environment |= bench_worker.as_environment(self.settings(mails=True))
        command = [sys.executable, "-m", "digest", "serve", "--port", str(port)]
        with self._started(command, environment, port) as server:
            yield server

    @contextlib.contextmanager
    def plain(self) -> Iterator["Server"]:
        """The bare application on the same core; see bench_web_plain.py."""
        port = bench_tools.free_port()
        order = json.dumps({"port": port, "url": self.url, "keys": str(self.settings(mails=False)["secret_keys"])})
        command = [sys.executable, str(ROOT / "scripts" / "bench_web_plain.py"), order]
        with self._started(command, os.environ | {"PYTHONPATH": str(ROOT)}, port) as server:
            yield server

    @contextlib.contextmanager
    def _started(self, command: list[str], environment: dict[str, str], port: int) -> Iterator["Server"]:
        pin = functools.partial(bench_tools.pin, self.cores.sender)
        with (self.home / "serve.log").open("a") as said:
            process = subprocess.Popen(command, env=environment, stderr=said, preexec_fn=pin)
            try:
                bench_tools.await_port(port)
                yield Server(port, process.pid)
            finally:
                process.terminate()
                process.wait()

    def leaving(self, slug: str, round_: int) -> list[Ask]:
        """A one-click request for each reader of this round."""
        signer = links.Signer([str(self.settings(mails=False)["secret_keys"])])
        ids = asyncio.run(_column(self.url, slug, round_, audience.Subscription.id))
        return [one_click(signer.mail_token(id_, 1, id_)) for id_ in ids]

    def rest(self) -> None:
        """Until the process has no mail of its own to send any more, which would share its core."""
        asyncio.run(_at_rest(self.url))

    def addresses(self, slug: str, round_: int) -> list[str]:
        return asyncio.run(_column(self.url, slug, round_, audience.Subscriber.email))


@dataclasses.dataclass(frozen=True)
class Server:
    port: int
    pid: int

    def cpu(self) -> float:
        return bench_machine.cpu_seconds(self.pid)


def one_click(token: str) -> Ask:
    return Ask(f"/unsubscribe/{token}", "POST", ONE_CLICK)


def sign_up(email: str, slug: str, origin: str) -> Ask:
    """The form as it stands on other sites, filled in by somebody who comes through our proxy."""
    form = urlencode({"email": email, "frequency": "daily"})
    return Ask(f"/subscribe/{slug}", "POST", form, headers=(("X-Forwarded-For", origin),))


def forged(asks: Sequence[Ask]) -> list[Ask]:
    """The same links with one letter of the signature changed."""
    return [
        dataclasses.replace(ask, path=ask.path[:-5] + ("A" if ask.path[-5] != "A" else "B") + ask.path[-4:])
        for ask in asks
    ]


async def _column(url: str, slug: str, round_: int, column: Any) -> list[Any]:
    """Of all readers of this round."""
    db = database.connect(url)
    subscription, cadence, publication = audience.Subscription, audience.Cadence, publications.Publication
    find = (
        sa.select(column)
        .select_from(subscription)
        .join(audience.Subscriber, audience.Subscriber.id == subscription.subscriber_id)
        .join(cadence, cadence.id == subscription.cadence_id)
        .join(publication, publication.id == subscription.publication_id)
        .where(publication.slug == slug, cadence.send_at == f"07:{round_:02}")
        .order_by(subscription.id)
    )
    async with db.reading() as connection:
        found = list((await connection.execute(find)).scalars())
    await db.close()
    return found


async def _at_rest(url: str) -> None:
    db = database.connect(url)
    subscription, delivery = audience.Subscription, outbox.Delivery
    entered = sa.exists().where(audience.SignUp.id.is_not(None))
    ordered = sa.exists().where(subscription.notice_due.is_not(None))
    on_its_way = sa.exists().where(delivery.state.in_(outbox.OPEN))
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await _is(db, sa.or_(entered, ordered, on_its_way)):  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.2)
    finally:
        await db.close()


async def _is(db: database.Database, so: sa.ColumnElement[bool]) -> bool:
    async with db.reading() as connection:
        return bool((await connection.execute(sa.select(so))).scalar_one())


async def _sign_up_page(db: database.Database) -> None:
    """The Publication of the example file, with its Articles but without its Sources."""
    spec = publications.read(ROOT / "config" / "publications" / "mias-feed.toml")
    now = datetime.now(UTC)
    values = {"slug": spec.slug, "spec": spec.model_dump(mode="json"), "created_at": now, "applied_at": now}
    async with db.transaction() as connection:
        await connection.execute(sa.insert(publications.Publication).values(**values))
