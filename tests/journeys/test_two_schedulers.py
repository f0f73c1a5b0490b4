"""Two nodes over one database, an SQLite file too: each plans, fills and sends, and everybody hears once."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from digest.audience.models import Subscription
from digest.editions.models import Edition
from tests.support import nodes, table, world as worlds
from tests.support.world import World

pytestmark = pytest.mark.anyio
READERS = 30


@pytest.fixture
async def world(db_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[World]:
    async with worlds.a_world(db_url, tmp_path, datetime.now(UTC) - timedelta(days=1)) as made:
        yield made


async def test_two_nodes_share_the_work_and_nobody_gets_two(world: World, db_url: str) -> None:
    readers = [f"r{number}@example.org" for number in range(READERS)]
    for reader in readers:
        await world.subscribe(reader, "daily")
    await world.subscribe("instant@example.org", "instant")
    await world.publish("one", "heart")
    async with nodes.running(world, db_url, 2, DIGEST_OUTBOX_BATCH_SIZE="4") as running:
        await nodes.until(lambda: len(world.server.received) > READERS, running)
        for node in running:
            async with httpx.AsyncClient() as client:
                ready = await client.get(f"{node.url}/health/ready")
            assert (ready.status_code, ready.json()["reasons"]) == (200, [])
        codes = [await node.end() for node in running]
        said = "".join(node.said for node in running)
    assert codes == [0, 0], said
    assert "locked" not in said
    assert "failed" not in said
    assert Counter(world.server.recipients()) == Counter([*readers, "instant@example.org"])
    assert len(await table.rows(world.parts.db, Edition)) == 2
    assert set(await table.column(world.parts.db, Subscription.covered_to)) == {1}
