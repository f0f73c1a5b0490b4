"""Lines behave alike on both event loops."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import uvloop

from digest.outbox.transports import pace


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """asyncio.run, and uvloop's."""
    return request.param


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rests that a test can wait for."""
    monkeypatch.setattr(pace, "FIRST_REST", 0.02)
    monkeypatch.setattr(pace, "LONGEST_REST", 0.1)
