"""Writes `events.Rows` in the very form the configured renderer gives single events, at a fraction of the cost.

The renderer is asked once how an event with these keys looks, with marks for its values; from then on a line is a `%`
of that. So it follows whatever form is configured, console or JSON, without knowing any of them.
"""

import dataclasses
import operator
from collections.abc import Callable, Iterator
from typing import Any

import structlog

from digest import events

Render = Callable[[dict[str, Any]], str]
# A pipe takes this much in one piece (PIPE_BUF); more might be torn by lines of another process that shares it.
PIECE = 4096
# Far more than relays, providers, stages, reasons and usual milliseconds come to.
MOST_TEXTS = 10_000
# Private use: in no text of ours.
_FIRST_MARK = 0xE000

_stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)


@dataclasses.dataclass(frozen=True, slots=True)
class _Form:
    """A line as `%` takes it; `arrange` puts values into the order in which the line has them."""

    template: str
    arrange: Callable[[list[Any]], Any]


class Lines:
    """`render` turns one event into its line, without the line's end."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._forms: dict[tuple[Any, ...], _Form] = {}
        self._texts = _Texts(render)

    def pieces(self, rows: events.Rows, level: str) -> Iterator[str]:
        """Whole lines, joined to pieces that are written at once."""
        piece: list[str] = []
        size = 0
        for line in self._lines(rows, level):
            size += len(line)
            if size > PIECE and piece:
                yield "".join(piece)
                piece, size = [], len(line)
            piece.append(line)
        yield "".join(piece)

    def _lines(self, rows: events.Rows, level: str) -> Iterator[str]:
        form, texts = self._form(rows, level), self._texts
        template, arrange = form.template, form.arrange
        # All of a turn became known at the same time.
        now = texts[_stamp(None, "", {})["timestamp"]]
        for row in rows.rows:
            # Ids write themselves; all else is of few values, also milliseconds, and to look it up costs less.
            values = [value if value.__class__ is int else texts[value] for value in row]
            values.append(now)
            yield template % arrange(values)
        texts.forget_if_many()

    def _form(self, rows: events.Rows, level: str) -> _Form:
        key = (rows.event, rows.keys, level)
        if key not in self._forms:
            self._forms[key] = _form(self._render, rows, level)
        return self._forms[key]


def _form(render: Render, rows: events.Rows, level: str) -> _Form:
    marks = [chr(_FIRST_MARK + number) for number in range(len(rows.keys) + 1)]
    event = dict(zip(rows.keys, marks, strict=False)) | {"event": rows.event, "level": level, "timestamp": marks[-1]}
    line = render(event).replace("%", "%%")
    order = sorted(range(len(marks)), key=lambda number: line.index(marks[number]))
    for mark in marks:
        line = line.replace(_as_rendered(line, mark), "%s")
    return _Form(line + "\n", operator.itemgetter(*order))


def _as_rendered(line: str, mark: str) -> str:
    """JSON puts quotes around a text; they belong to the value."""
    return f'"{mark}"' if f'"{mark}"' in line else mark


class _Texts(dict[Any, str]):
    """How None, texts and numbers that are no ids look in a line."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render
        mark = chr(_FIRST_MARK)
        self._before, _, self._after = self._event(mark).partition(_as_rendered(self._event(mark), mark))

    def __missing__(self, value: Any) -> str:
        line = self._event(value)
        self[value] = line[len(self._before) : len(line) - len(self._after)]
        return self[value]

    def _event(self, value: Any) -> str:
        return self._render({"value": value, "event": "", "level": "info"})

    def forget_if_many(self) -> None:
        if len(self) > MOST_TEXTS:
            self.clear()
