"""The pages of a world, as a browser or a mailbox provider opens them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from digest.web import app, parts as web
from tests.support.world import World

SITE = "https://news.example.org"


@asynccontextmanager
async def of(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async def nothing(_token: object) -> None:
        return None

    async def well() -> web.Readiness:
        return web.Readiness()

    parts = world.parts
    site = web.Parts(
        db=parts.db,
        signer=parts.signer,
        hasher=parts.hasher,
        clock=lambda: world.now,
        base_url=SITE,
        view=nothing,
        probe=well,
    )
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app.create(site)), base_url=SITE) as client:
        yield client
