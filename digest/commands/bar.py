"""How far a run has come, with rate and time left: a bar on a terminal, elsewhere a line on stderr now and then."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TextIO

# Often enough to see that it goes on, seldom enough for a log.
LINE_SECONDS = 10.0

Update = Callable[[int, int], None]


@contextlib.contextmanager
def shown(what: str, *, stream: TextIO | None = None) -> Iterator[Update]:
    """Yields `update(done, total)`."""
    out = stream or sys.stderr
    if not out.isatty():
        yield _Lines(what, out).update
        return
    # Imported here: it is needed on terminals only.
    from rich import console, progress as bars

    columns = [
        bars.TextColumn(what),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TextColumn("{task.fields[pace]}"),
    ]
    with bars.Progress(*columns, console=console.Console(file=out), transient=True) as bar:
        task, pace = bar.add_task(what, total=None, pace=""), _Pace()

        def update(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None, pace=pace.told(done, total))

        yield update


class _Pace:
    """The rate of late, from the counts that are told."""

    # A rate over the last seconds follows what happens, and is not thrown about by one slow reply.
    WINDOW = 20.0

    def __init__(self) -> None:
        self._seen: list[tuple[float, int]] = []

    def told(self, done: int, total: int) -> str:
        now = time.monotonic()
        self._seen = [one for one in self._seen if now - one[0] <= self.WINDOW] + [(now, done)]
        began, done_then = self._seen[0]
        rate = (done - done_then) / (now - began) if now > began else 0.0
        if rate <= 0:
            return ""
        return f"{rate:,.0f}/s, {duration((total - done) / rate)} left"


class _Lines:
    """A line every LINE_SECONDS, if anything is to be done at all."""

    def __init__(self, what: str, out: TextIO) -> None:
        self._what, self._out, self._pace = what, out, _Pace()
        self._next = time.monotonic() + LINE_SECONDS

    def update(self, done: int, total: int) -> None:
        pace = self._pace.told(done, total)
        if total and time.monotonic() >= self._next:
            self._next = time.monotonic() + LINE_SECONDS
            told = f"digest: {done:,} of {total:,} {self._what}" + (f", {pace}" if pace else "")
            print(told, file=self._out, flush=True)


def duration(seconds: float) -> str:
    """In the two largest units that matter: 40 s, 5 min 10 s, 2 h 5 min, 3 d 4 h."""
    seconds = round(seconds)
    for unit, size, smaller, part in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // part
            return f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{seconds} s"
