"""An operator with an empty folder, and one whose database has its schema already, on both databases."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import operator as support
from tests.support.operator import Operator


@pytest.fixture
def newcomer(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    """Nothing is set up, and nothing set but the folder."""
    with support.at_terminal(tmp_path / "home", capsys, monkeypatch) as operator:
        operator.forget("DIGEST_INSTANCE", "DIGEST_SECRET_KEYS", "DIGEST_SMTP_URL", "DIGEST_DATABASE_URL")
        yield operator


@pytest.fixture
def operator(
    db_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Operator]:
    with support.at_terminal(tmp_path, capsys, monkeypatch) as made:
        made.set(DIGEST_DATABASE_URL=db_url, DIGEST_SMTP_URL=f"file://{tmp_path}/out")
        yield made
