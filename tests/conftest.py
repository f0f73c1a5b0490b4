"""Fixtures for all tests: both databases with the schema in place, and a fixed instant to start from.

Every test that takes `db` runs twice, on SQLite and on PostgreSQL; one that takes `engine` once more, on PostgreSQL
with Procrastinate. Nothing is skipped when PostgreSQL is missing: the run fails.
"""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from digest import database
from digest.run import schema
from tests.support import clones, postgres

if TYPE_CHECKING:
    from tests.support.world import World

DATABASES = tuple(os.environ.get("DIGEST_TEST_DATABASES", "sqlite,postgres").split(","))
# Which engine may work over which database.
ENGINES = (("sqlite", "in-process"), ("postgres", "in-process"), ("postgres", "procrastinate"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on each database, or each database with each of its engines, unless the test names its own."""
    marks = metafunc.definition.iter_markers("parametrize")
    if any("db_url" in mark.args[0] for mark in marks):
        return
    if "engine" in metafunc.fixturenames:
        pairs = [pair for pair in ENGINES if pair[0] in DATABASES]
        metafunc.parametrize(("db_url", "engine"), pairs, indirect=True, ids=map("-".join, pairs))
    elif "db_url" in metafunc.fixturenames:
        metafunc.parametrize("db_url", DATABASES, indirect=True)


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine that sends, as the settings name it."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def now() -> datetime:
    """A Monday morning."""
    return datetime(2026, 11, 2, 6, 0, tzinfo=UTC)


def _migrate(url: str) -> None:
    async def run() -> None:
        db = database.connect(url)
        await schema.upgrade(db)
        await db.close()

    asyncio.run(run())


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "digest.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    with postgres.server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_clones(postgres_server: str) -> Iterator[clones.Clones]:
    made = clones.Clones(postgres_server)
    _migrate(made.template)
    yield made
    made.close()


@pytest.fixture
def db_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh database with the newest schema."""
    if request.param == "sqlite":
        path = tmp_path / "digest.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        path.chmod(0o600)
        yield f"sqlite:///{path}"
        return
    with request.getfixturevalue("postgres_clones").one() as url:
        yield url


@pytest.fixture
async def db(db_url: str, anyio_backend: str) -> AsyncIterator[database.Database]:
    opened = database.connect(db_url)
    yield opened
    await opened.close()


@pytest.fixture
async def world(db_url: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator["World"]:
    """A small installation whose time is turned by hand."""
    # Loaded only for those who live in it: it brings most of the program.
    from tests.support import world as worlds

    async with worlds.a_world(db_url, tmp_path, now) as made:
        yield made


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    on = {name: sum(f"[{name}" in node or f"-{name}" in node for node in passed) for name in DATABASES}
    neither = len(passed) - sum(on.values())
    counts = ", ".join(f"{count} on {name}" for name, count in on.items())
    terminalreporter.write_line(f"databases: {counts}, {neither} without one")
