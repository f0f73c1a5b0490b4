"""A publisher's program with a key of its own, before the real server that `site` starts."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from digest.web.api import keys
from tests.web.conftest import Site

HOME = "/api/v1/publications/mias-feed"


@dataclass
class Publisher:
    """Calls the API. `call("GET", "/articles")` is about the Publication, `/api/…` is as written."""

    site: Site
    key: str

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}", **more.pop("headers", {})}
        where = path if path.startswith("/api/") else HOME + path
        given = {"json": body} if body is not None else {}
        return await self.site.client.request(method, where, headers=headers, **given, **more)

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.call("GET", path, headers=headers)

    async def with_key(self, *scopes: str, **wish: Any) -> "Publisher":
        return Publisher(self.site, await a_key(self.site, *scopes, **wish))


async def a_key(site: Site, *scopes: str, **wish: Any) -> str:
    async with site.db.transaction() as connection:
        order = keys.Wish("website", scopes or tuple(keys.SCOPES), **wish)
        return (await keys.make(connection, order, site.now))[1]


@pytest.fixture
async def publisher(site: Site) -> Publisher:
    return Publisher(site, await a_key(site))
