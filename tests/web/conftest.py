"""A real server on 127.0.0.1 around the real application, and one reader of one Publication behind it."""

import asyncio
import dataclasses
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
import uvicorn
from fastapi import FastAPI

from digest import database, links
from digest.audience import entrance, models, screening
from digest.web import app, parts
from tests.support import cast


@dataclass
class Site:
    """The site as a browser and a mailbox provider see it. `now` and `readiness` can be set."""

    db: database.Database
    now: datetime
    publication: Any = None
    reader: int = 0
    signer: links.Signer = field(default_factory=lambda: links.Signer(cast.KEYS))
    mails: dict[int, str] = field(default_factory=dict)
    readiness: parts.Readiness = field(default_factory=parts.Readiness)
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)
    served: FastAPI | None = None

    def token(self, generation: int = 1, reader: int | None = None, signer: links.Signer | None = None) -> str:
        return (signer or self.signer).mail_token(reader or self.reader, generation, 77)

    async def view(self, token: links.MailToken) -> str | None:
        return self.mails.get(token.delivery_id)

    async def probe(self) -> parts.Readiness:
        return self.readiness

    def parts(self, **more: Any) -> parts.Parts:
        return parts.Parts(
            db=self.db,
            signer=self.signer,
            hasher=cast.HASHER,
            clock=lambda: self.now,
            base_url="https://digest.example.org",
            view=self.view,
            probe=self.probe,
            **more,
        )

    def app(self) -> FastAPI:
        self.served = app.create(self.parts())
        return self.served

    def rules(self, duties: frozenset[str] = frozenset(), **rules: str) -> None:
        """Other rules for those who sign up."""
        assert self.served is not None
        sign_up = parts.SignUp(entrance.Rules(**rules), screening.Policy(duties=duties))
        self.served.state.parts = dataclasses.replace(self.served.state.parts, sign_up=sign_up)

    async def get(self, path: str) -> httpx.Response:
        return await self.client.get(path)

    async def press(self, path: str, **fields: str) -> httpx.Response:
        """What a browser sends when a button on one of our pages is pressed."""
        return await self.client.post(path, data={"page": "x"} | fields)

    async def row(self) -> Any:
        return await cast.subscription(self.db, self.reader)

    async def set(self, **values: Any) -> None:
        async with self.db.transaction() as connection:
            mine = sa.update(models.Subscription).where(models.Subscription.id == self.reader)
            await connection.execute(mine.values(**values))

    async def frequency(self) -> str:
        async with self.db.reading() as connection:
            find = sa.select(models.Cadence.frequency).where(models.Cadence.id == (await self.row()).cadence_id)
            return str(await connection.scalar(find))

    async def changes(self) -> list[tuple[str, str]]:
        async with self.db.reading() as connection:
            found = await connection.execute(sa.select(models.Change).order_by(models.Change.id))
            return [(row.what, row.door) for row in found]

    def later(self, **delta: float) -> None:
        self.now += timedelta(**delta)


class Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_up = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_up.set()


@pytest.fixture
async def site(db: database.Database, now: datetime) -> AsyncIterator[Site]:
    found = Site(db, now)
    found.publication = await cast.a_publication(db)
    found.reader = await cast.a_subscription(db, found.publication, covered_to=7)
    server = Server(
        uvicorn.Config(found.app(), host="127.0.0.1", port=0, lifespan="off", log_config=None, access_log=False)
    )
    running = asyncio.create_task(server.serve())
    await server.is_up.wait()
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=10) as client:
        found.client = client
        yield found
    server.should_exit = True
    await running
