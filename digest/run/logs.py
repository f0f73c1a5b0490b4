"""Logs to stderr, one event a line: for a person on a terminal, as JSON for machines.

Owns how events look; what is logged is each part's own business. Whatever a part or a library puts into an event,
nothing that reads like an address leaves here above debug level: logs are kept longer and seen by more people than
the database.
"""

import logging
import re
import sys
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor

from digest import events
from digest.run import lines

# These say at info what our own events say better, or with whole URLs in it.
TALKATIVE = ("httpx", "httpcore", "alembic", "apscheduler", "procrastinate", "aiosqlite", "asyncio", "uvicorn.access")
# These say with tracebacks, at error level, that the database is away, which our own lines say in one.
PANICKY = ("procrastinate.manager", "procrastinate.worker.digest")
_ADDRESS = re.compile(r"[^\s<>@\"'=:,;()\[\]]+@[^\s<>@\"',;()\[\]]+")


def configure(*, level: str = "info", style: str = "auto", stream: TextIO | None = None) -> None:
    """Send our events and those of the libraries to `stream` (stderr). May be called again."""
    out = stream or sys.stderr
    as_json = style == "json" or (style == "auto" and not out.isatty())
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_shared(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Tests and `serve` configure after modules have made their loggers.
        cache_logger_on_first_use=False,
    )
    render = _renderer(as_json, out)
    handler = _Handler(out, lines.Lines(lambda event: str(render(None, "", _masked(None, "", event)))))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=_shared(), processors=[*_MIDDLE, _masked, render])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in PANICKY:
        logging.getLogger(name).setLevel(threshold if threshold <= logging.DEBUG else logging.CRITICAL)


def _shared() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]


def _renderer(as_json: bool, out: TextIO) -> Processor:
    if as_json:
        return structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.dev.ConsoleRenderer(colors=out.isatty())


class _Handler(logging.StreamHandler[TextIO]):
    """Writes single events as its formatter says, and many of one kind by a shorter way that leads to the same form."""

    def __init__(self, stream: TextIO, short: lines.Lines) -> None:
        super().__init__(stream)
        self._short = short

    def emit(self, record: logging.LogRecord) -> None:
        if not isinstance(record.msg, events.Rows):
            super().emit(record)
            return
        try:
            for piece in self._short.pieces(record.msg, record.levelname.lower()):
                self.stream.write(piece)
            self.flush()
        except Exception:
            self.handleError(record)


# A traceback becomes text before addresses are masked: statements in it carry parameters.
_MIDDLE: tuple[Processor, ...] = (
    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
    structlog.processors.format_exc_info,
)


def _masked(_logger: Any, _method: str, event: EventDict) -> EventDict:
    if event.get("level") == "debug":
        return event
    return {key: _ADDRESS.sub("(address)", value) if isinstance(value, str) else value for key, value in event.items()}
