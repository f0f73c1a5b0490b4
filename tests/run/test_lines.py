"""Many events at once look exactly as each by itself would."""

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from digest import events
from digest.run import lines, logs

KEYS = ("delivery", "relay", "reason", "edition", "announce_ms")
ROWS = [
    (7, "main", "", None, 12.3),
    (8, "100 % sure", 'said "no" \\ 5', 3, 0.0),
    (9, "ünï→", "two\nlines\x1b[31m", 0, None),
    (10, "{relay}", "%s", -1, 1e6),
]
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def written(out: io.StringIO) -> str:
    text = TIMESTAMP.sub("(time)", out.getvalue())
    out.seek(0)
    out.truncate()
    return text


@pytest.mark.parametrize("style", ["json", "console"])
@pytest.mark.parametrize("kind", [io.StringIO, Terminal])
@pytest.mark.parametrize("level", ["info", "warning"])
def test_rows_have_the_form_of_single_events(style: str, kind: type[io.StringIO], level: str) -> None:
    out = kind()
    logs.configure(style=style, stream=out)
    for row in ROWS:
        getattr(structlog.get_logger(), level)("attempt", **dict(zip(KEYS, row, strict=True)))
    one_by_one = written(out)
    getattr(logging.getLogger("digest"), level)(events.Rows("attempt", KEYS, ROWS))
    assert written(out) == one_by_one
    assert one_by_one.count("attempt") == len(ROWS)


def test_a_second_turn_looks_like_the_first_and_tells_the_time_anew() -> None:
    out = io.StringIO()
    logs.configure(style="json", stream=out)
    for _ in range(2):
        logging.getLogger("digest").info(events.Rows("attempt", KEYS, ROWS[:1]))
    first, second = TIMESTAMP.findall(out.getvalue())
    assert first < second
    assert len(set(written(out).splitlines())) == 1


def test_no_address_is_written() -> None:
    out = io.StringIO()
    logs.configure(style="json", stream=out)
    logging.getLogger("digest").info(events.Rows("attempt", ("reason",), [("to anna@example.org",)]))
    assert "anna" not in out.getvalue()
    assert "(address)" in out.getvalue()


def test_what_is_below_the_level_is_not_written() -> None:
    out = io.StringIO()
    logs.configure(level="warning", stream=out)
    logging.getLogger("digest").info(events.Rows("attempt", KEYS, ROWS))
    assert out.getvalue() == ""


class Pipe(io.StringIO):
    """Remembers what was written in one piece."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


def test_pieces_are_whole_lines_that_a_pipe_takes_at_once() -> None:
    out = Pipe()
    logs.configure(style="json", stream=out)
    logging.getLogger("digest").info(events.Rows("attempt", KEYS, ROWS * 100))
    assert all(len(piece) <= lines.PIECE and piece.endswith("\n") for piece in out.pieces)
    assert len(out.pieces) < 30
    assert len(out.getvalue().splitlines()) == 400


def test_texts_without_end_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "MOST_TEXTS", 10)
    short = lines.Lines(lambda event: str(structlog.processors.JSONRenderer(ensure_ascii=False)(None, "", event)))
    for number in range(100):
        list(short.pieces(events.Rows("attempt", ("text",), [(f"text {number}",)]), "info"))
    assert len(short._texts) <= 12


def test_a_stream_that_breaks_breaks_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("no space left")

    logs.configure(style="json", stream=Broken())
    logging.getLogger("digest").info(events.Rows("attempt", KEYS, ROWS))
    assert "no space left" in capsys.readouterr().err


def test_others_who_listen_read_something_sensible(caplog: pytest.LogCaptureFixture) -> None:
    rows: Any = events.Rows("attempt", ("delivery",), [(7,)])
    with caplog.at_level(logging.INFO):
        logging.getLogger("digest").info(rows)
    assert "attempt" in caplog.text
