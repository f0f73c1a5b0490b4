"""The door itself: exit codes, plain lines, and a quick start."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from digest import cli, errors
from tests.support import operator as support
from tests.support.operator import Operator


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    with support.at_terminal(tmp_path, capsys, monkeypatch) as made:
        yield made


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def adopt() -> int:
        raise error

    monkeypatch.setattr("digest.commands.operating.adopt", adopt)


def test_help_loads_nothing_heavy() -> None:
    code = "import sys; from digest import cli; cli.main(['--help']); print(sorted(sys.modules), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "subscribers" in answer.stdout
    for module in ("sqlalchemy", "pydantic", "fastapi", "lxml"):
        assert f"'{module}'" not in answer.stderr


def test_python_m_is_the_same_as_the_script() -> None:
    started = time.monotonic()
    answer = subprocess.run([sys.executable, "-m", "digest", "--help"], capture_output=True, text=True, check=True)
    assert "Usage: digest" in answer.stdout
    # Half a second alone; the rest is for machines that do other things meanwhile.
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("dance",), "No such command 'dance'"),
        (("stat",), "Did you mean 'status'"),
        (("run", "--fast"), "No such option"),
        (("ingest", "mias-feed"), "URL-OR-FILE"),
        (("editions", "cancel", "seven"), "integer"),
        (("serve", "--port", "70000"), "65535"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(operator: Operator, words: tuple[str, ...], complaint: str) -> None:
    answer = operator(*words)
    assert (answer.code, answer.out) == (2, "")
    assert complaint in answer.complaint
    assert answer.complaint.startswith("digest: ")
    assert answer.complaint.endswith(" --help")


@pytest.mark.parametrize("words", [(), ("subscribers",), ("editions",)])
def test_a_group_without_a_verb_shows_its_help(operator: Operator, words: tuple[str, ...]) -> None:
    answer = operator(*words)
    assert answer.code == 2
    assert "Usage: digest" in answer.out + answer.err


def test_a_mistake_of_several_lines_keeps_them(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, errors.DigestError("one\ntwo"))
    answer = operator("adopt")
    assert (answer.code, answer.err) == (2, "digest: one\ndigest: two\n")


def test_a_full_disk_is_one_line(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, OSError(28, "No space left on device", "/var/x"))
    answer = operator("adopt")
    assert (answer.code, answer.complaint) == (1, "digest: /var/x: No space left on device")


def test_ctrl_c_is_quiet(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())
    answer = operator("adopt")
    assert (answer.code, answer.out, answer.err) == (130, "", "")


def test_debug_shows_where_a_mistake_came_from(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, errors.DigestError("wrong"))
    with pytest.raises(errors.DigestError):
        cli.main(["--debug", "adopt"])


def test_a_bug_is_not_passed_off_as_a_mistake(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        cli.main(["adopt"])
