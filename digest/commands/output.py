"""How verbs speak: results on stdout, as text or as exactly one JSON document; remarks and progress on stderr."""

import contextlib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any, TextIO

Advance = Callable[[int], None]
Write = Callable[[str], object]


def show(document: Any, lines: Iterable[str], *, as_json: bool) -> None:
    """The result of a verb: `document` for scripts, else `lines` for a person."""
    if as_json:
        print(json.dumps(document, ensure_ascii=False, indent=2, default=plain))
        return
    for line in lines:
        print(line)


def plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    return str(value)


def write(text: str) -> None:
    """Bulk on stdout, as it is."""
    sys.stdout.write(text)


def remark(text: str) -> None:
    """A line beside the result, on stderr, so that it never mixes with a document."""
    print(f"digest: {text}", file=sys.stderr)


def remarks(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, file=sys.stderr)


def table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """Columns wide enough for what stands in them; never wrapped, so that grep finds whole lines."""
    cells = [tuple(header), *(tuple(map(_cell, row)) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def cleaned(lines: Iterable[str]) -> list[str]:
    """Texts of others, fit for a terminal."""
    return [_cell(line) for line in lines]


def _cell(value: Any) -> str:
    """Names and reasons come from feeds and servers: no control character of theirs reaches a terminal."""
    text = "" if value is None else str(value)
    return "".join(letter if letter.isprintable() else " " for letter in text)


@contextlib.contextmanager
def progress(what: str, total: int | None = None, *, stream: TextIO | None = None) -> Iterator[Advance]:
    """A bar on stderr while the block runs, if somebody is there to see it. Yields `advance(steps)`."""
    out = stream or sys.stderr
    if not out.isatty():
        yield lambda _steps: None
        return
    # Imported here: it is needed on terminals only, and every verb loads this module.
    from rich import console, progress as bars

    columns = [bars.TextColumn(what), bars.BarColumn(), bars.MofNCompleteColumn(), bars.TimeElapsedColumn()]
    with bars.Progress(*columns, console=console.Console(file=out), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda steps: bar.advance(task, steps)
