"""`status --watch`: how the sending goes, again and again, until Ctrl-C or, for one Edition, until it is over."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from digest.commands import output, sending, session
from digest.editions import models as editions
from digest.run import wiring

LOOK_SECONDS = 1.0
# To count an Edition of a million takes some 0.3 s: then we look less often, to take a tenth of a core at most.
LEISURE = 10

Show = Callable[[dict[str, Any], list[str]], None]


def watch(edition_id: int | None, *, now: str | None, as_json: bool) -> int:
    async def work(parts: wiring.Parts) -> None:
        with _screen(as_json=as_json) as show:
            while True:
                started = time.monotonic()
                document, lines, is_over = await _look(parts, edition_id)
                show(document, lines)
                if is_over:
                    return
                await asyncio.sleep(max(LOOK_SECONDS, (time.monotonic() - started) * LEISURE))

    session.play(work, at=session.clock_of(now))
    return 0


async def _look(parts: wiring.Parts, edition_id: int | None) -> tuple[dict[str, Any], list[str], bool]:
    if edition_id is None:
        document = await sending.gather(parts.db, parts.clock())
        return document, sending.summary(document), False
    async with parts.db.reading() as connection:
        document = await sending.one(connection, edition_id, parts.clock())
    is_over = document["state"] not in map(str, editions.OPEN)
    return document, sending.single(document), is_over


@contextmanager
def _screen(*, as_json: bool) -> Iterator[Show]:
    """In place on a terminal, else one after the other; as JSON one document a line."""
    from rich import console, live, text

    terminal = console.Console()
    if as_json or not terminal.is_terminal:
        yield _print_json if as_json else _print
        return
    with live.Live(console=terminal, auto_refresh=False) as screen:

        def show(_document: dict[str, Any], lines: list[str]) -> None:
            screen.update(text.Text("\n".join(lines), no_wrap=True, overflow="ellipsis"), refresh=True)

        yield show


def _print(_document: dict[str, Any], lines: list[str]) -> None:
    print("\n".join((*lines, "")), flush=True)


def _print_json(document: dict[str, Any], _lines: list[str]) -> None:
    print(json.dumps(document, ensure_ascii=False, default=output.plain), flush=True)
