"""How verbs speak."""

import io
from datetime import UTC, datetime

import pytest

from digest.commands import output


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_columns_line_up_and_lines_are_never_wrapped() -> None:
    lines = output.table(("id", "reason"), [(1, "x" * 200), (1000, None)])
    assert lines == ["id    reason", "1     " + "x" * 200, "1000"]


def test_control_characters_of_others_do_not_reach_the_terminal() -> None:
    assert output.table(("title",), [("red\x1b[31m\nalert\u202e",)])[1] == "red [31m alert"
    assert output.cleaned(["a\rb"]) == ["a b"]


def test_a_document_holds_what_json_does_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    output.show({"at": datetime(2026, 11, 22, tzinfo=UTC), "set": frozenset("ab")}, [], as_json=True)
    assert '"at": "2026-11-22T00:00:00+00:00"' in capsys.readouterr().out


def test_progress_is_shown_on_a_terminal_and_wiped_off_again() -> None:
    out = Terminal()
    with output.progress("import", 10, stream=out) as advance:
        advance(10)
    assert "import" in out.getvalue()


def test_progress_is_silent_elsewhere() -> None:
    out = io.StringIO()
    with output.progress("import", 10, stream=out) as advance:
        advance(10)
    assert out.getvalue() == ""
