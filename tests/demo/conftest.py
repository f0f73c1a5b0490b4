"""The shipped demonstration, played once for all tests that look at it, with its site still open."""

import dataclasses
import io
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from digest.demo import demo
from digest.demo.letters import Letter
from digest.demo.stage import Stage


@dataclasses.dataclass(frozen=True)
class Played:
    show: Stage
    code: int
    printed: str
    home: Path
    site: httpx.AsyncClient

    @property
    def letters(self) -> list[Letter]:
        return list(self.show.inbox.letters())


@pytest.fixture(scope="session")
async def played(anyio_backend: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    home, printed = tmp_path_factory.mktemp("demo"), io.StringIO()
    async with (
        demo.performed(demo.Wish(once=True, home=home), Console(file=printed, width=140)) as (show, code),
        httpx.AsyncClient(base_url=show.parts.settings.base_url, trust_env=False) as site,
    ):
        yield Played(show, code, printed.getvalue(), home, site)
