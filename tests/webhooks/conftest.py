"""A world with one endpoint that hears of everything, and the program behind it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from digest.announcements import Announcement, Endpoint
from digest.run import bugs
from digest.webhooks import deliver, endpoints, post, sign
from tests.support import cast, receiver, world as worlds
from tests.support.receiver import Receiver
from tests.support.world import World

ALLOWED = frozenset({"127.0.0.1"})


@dataclass
class Office:
    """The world's desk on the world's clock. `secret` signs for `endpoint`."""

    world: World
    endpoint: int
    secret: str
    program: Receiver

    @property
    def desk(self) -> deliver.Desk:
        return deliver.Desk(
            self.world.parts.db,
            sign.Seal(cast.KEYS),
            post.Way("digest/test", ALLOWED),
            lambda: self.world.now,
            "stamp",
        )

    async def tell(self) -> int:
        return await deliver.run(self.desk, trap=bugs.caught)

    async def add(self, program: Receiver, publication: str | None = None, *events: str) -> tuple[int, str]:
        wish = endpoints.Wish(program.url(), publication, events)
        async with self.world.parts.db.transaction() as connection:
            return await endpoints.add(connection, self.desk.seal, wish, self.world.now)

    async def row(self) -> Any:
        async with self.world.parts.db.reading() as connection:
            return (await connection.execute(sa.select(Endpoint).where(Endpoint.id == self.endpoint))).one()

    async def announcements(self) -> list[Any]:
        async with self.world.parts.db.reading() as connection:
            return list((await connection.execute(sa.select(Announcement).order_by(Announcement.id))).all())


@pytest.fixture
def program() -> Iterator[Receiver]:
    with receiver.running() as server:
        yield server


@pytest.fixture
async def office(db_url: str, db: Any, tmp_path: Path, now: datetime, program: Receiver) -> AsyncIterator[Office]:
    async with worlds.a_world(db_url, tmp_path, now, webhooks={"allow_hosts": ["127.0.0.1"]}) as world:
        made = Office(world, 0, "", program)
        made.endpoint, made.secret = await made.add(program)
        yield made
