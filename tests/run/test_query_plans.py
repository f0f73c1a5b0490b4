"""On SQLite no pass ever reads a whole table that grows: every look-up goes by an index, as its plan shows."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Engine

from digest import addresses, prepared, publications
from digest.articles.pictures import prune as picture_prune
from digest.audience import entrance, erase, preferences, rates, signup
from digest.outbox import prune, unconfirmed
from digest.web.pages import atom
from tests.support import doors, world as worlds

pytestmark = pytest.mark.anyio
GROWING = (
    "subscribers",
    "subscriptions",
    "editions",
    "deliveries",
    "changes",
    "suppressions",
    "selections",
    "pictures",
    "consents",
    "sign_ups",
    "rates",
    "articles",
    "archive_pages",
)
# By its state alone one finds all Articles there ever were.
NO_BETTER = "ix_articles_state_release_at (state=?)"
# Partial indexes of the few rows that are still to be dealt with: to walk one of them is the point.
SMALL = (
    "ix_deliveries_retry",
    "ix_deliveries_batch",
    "ix_deliveries_in_flight",
    "ix_editions_state",
    "ix_subscriptions_pending",
)


@pytest.fixture
def walks(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Statements that walk a growing table, with the step of their plan that does."""
    found: dict[str, str] = {}

    def look(connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if connection.dialect.name != "sqlite" or not re.match(r"\s*(SELECT|UPDATE|INSERT|DELETE)", statement):
            return
        cursor = connection.connection.cursor()
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters[0] if many else parameters)
        judge(statement, cursor.fetchall())
        cursor.close()

    def judge(statement: str, plan: list[Any]) -> None:
        for row in plan:
            table = re.match(r"SCAN (\w+)", row[3])
            if (table and table[1] in GROWING and not row[3].endswith(SMALL)) or NO_BETTER in row[3]:
                found[statement] = row[3]

    async def run(driver: Any, text: str, parameters: Any) -> list[Any]:
        judge(text, await as_it_is(driver, f"EXPLAIN QUERY PLAN {text}", parameters))
        seen.append(text)
        return await as_it_is(driver, text, parameters)

    seen: list[str] = []
    as_it_is = prepared._run
    monkeypatch.setattr(prepared, "_run", run)
    sa.event.listen(Engine, "before_cursor_execute", look)
    yield found
    sa.event.remove(Engine, "before_cursor_execute", look)
    assert len(set(seen)) > 3


@pytest.mark.parametrize("db_url", ["sqlite"], indirect=True)
async def test_no_pass_walks_a_table_that_grows(
    db_url: str, tmp_path: Path, now: datetime, walks: dict[str, str]
) -> None:
    async with worlds.a_world(db_url, tmp_path, now, archive="listed") as world, doors.of(world) as browser:
        for name, frequency in (("anna", "daily"), ("ben", "instant"), ("cleo", "weekly")):
            await world.subscribe(f"{name}@example.org", frequency, topics=("heart",))
        for day in range(8):
            await world.publish(f"article-{day}", *(["heart"] if day % 2 else ["lungs"]))
            await world.run_until(world.now + timedelta(days=1), step=timedelta(hours=5))
        await look_around(world, browser)
        await world.leave("anna@example.org")
        await world.parts.meter.text()
        await world.run()
        await prune.run(world.parts.db, timedelta(days=1), world.now + timedelta(days=90))
        await _sign_up(world, "dora@example.org")
        await world.run()
        await unconfirmed.run(world.parts.db, world.now + timedelta(days=4))
        await rates.prune(world.parts.db, world.now + timedelta(days=40))
        async with world.parts.db.transaction() as connection:
            await erase.erase(connection, world.parts.hasher, "anna@example.org", now=world.now)
        await picture_prune.run(world.parts.db, timedelta(days=1), world.now)
        assert (await browser.get(f"/mail/{world.mails[0].token}")).status_code == 410
        assert len(world.mails) > 4
    assert walks == {}


async def _sign_up(world: worlds.World, email: str) -> None:
    choice = preferences.fulfil(publications.load(world.publication.spec), preferences.Wish("daily"))
    request = signup.Request(world.publication.id, addresses.parse(email), choice)
    form = entrance.Form(request, entrance.Origin("a", "b"), "https://mia.example/")
    async with world.parts.db.transaction() as connection:
        assert await entrance.enter(connection, world.parts.hasher, form, entrance.Rules(), world.now)


async def look_around(world: worlds.World, browser: httpx.AsyncClient) -> None:
    """The pages that grow with what there is to show."""
    reader = await world.subscription("anna@example.org")
    own = atom.own_url(world.parts.signer, "", reader.id, reader.generation)
    archive = "/archive/mias-feed"
    dates = ("", "/daily", "/daily?before=2026-11-09", "/daily/2026-11-05", "/daily/feed.atom")
    for path in (own, *(archive + date for date in dates), "/subscribe/mias-feed"):
        assert (await browser.get(path)).status_code == 200, path
