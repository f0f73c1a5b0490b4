"""Somebody at a terminal: types verbs into an installation of their own, in this process, and reads what comes back."""

import asyncio
import dataclasses
import io
import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog

from digest import cli, database, templating
from tests.support import cast

SHIPPED = templating.data_dir("config")
FEED, READERS = SHIPPED / "demo" / "feed.xml", SHIPPED / "demo" / "readers.csv"
MIN_TWO = (
    (SHIPPED / "publications" / "mias-feed.toml")
    .read_text(encoding="utf-8")
    .replace("min_items = 1 ", "min_items = 2 ")
)
# When most of the sample feed is a week old at most, and a Monday morning.
BEGIN = "2026-11-09T04:00:00Z"


@dataclasses.dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)

    @property
    def complaint(self) -> str:
        """The one line on stderr."""
        [line] = self.err.splitlines()
        return line


class Operator:
    """`operator("run", "--json")`. `home` and the environment are its own."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._capsys, self._monkeypatch = home, capsys, monkeypatch
        self.set(DIGEST_HOME=str(home), DIGEST_INSTANCE="test", DIGEST_SECRET_KEYS=",".join(cast.KEYS))

    def set(self, **variables: str) -> None:
        for name, value in variables.items():
            self._monkeypatch.setenv(name, value)

    def forget(self, *names: str) -> None:
        for name in names:
            self._monkeypatch.delenv(name, raising=False)

    def __call__(self, *words: object, stdin: str = "") -> Answer:
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        self._capsys.readouterr()
        code = cli.main([str(word) for word in words])
        out, err = self._capsys.readouterr()
        return Answer(code, out, err)

    def file(self, name: str, text: str) -> Path:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def begin(self, *, with_readers: bool = True) -> None:
        """The shipped Publication with the sample feed and readers in it."""
        assert self("apply", SHIPPED / "publications" / "mias-feed.toml").code == 0
        assert self("ingest", "mias-feed", FEED, "--now", BEGIN).code == 0
        if with_readers:
            assert self("subscribers", "import", "mias-feed", READERS, "--confirmed", "--now", BEGIN).code == 0

    def behind_the_back(self, url: str, statement: str | sa.Executable) -> None:
        """Rows changed as no verb changes them."""

        async def work() -> None:
            db = database.connect(url)
            try:
                async with db.transaction() as connection:
                    await connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
            finally:
                await db.close()

        asyncio.run(work())

    def everything(self, url: str) -> dict[str, Any]:
        """All rows there are, to prove that nothing was changed."""

        async def look() -> dict[str, Any]:
            db = database.connect(url)
            try:
                return await cast.everything(db)
            finally:
                await db.close()

        return asyncio.run(look())


@contextmanager
def at_terminal(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Verbs set up logging to this test's stderr; what comes after must not write there."""
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    try:
        yield Operator(home, capsys, monkeypatch)
    finally:
        logging.getLogger().handlers[:] = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()
