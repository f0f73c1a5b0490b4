"""A CSV of readers as rows, one at a time: what each line says, or what is wrong with it (pure).

Judges spelling only: whether an address may be written to and whether the Publication has the topic is for the
import. A bad line never stops the others; a bad header stops everything before anything is done.
"""

import csv
import functools
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, TypeVar

import babel

from digest import addresses, errors, publications, zones
from digest.audience import preferences

_T = TypeVar("_T")

COLUMNS = ("email", "name", "frequency", "timezone", "send_at", "weekday", "topics", "locale", "state")
DELIMITERS = ",;\t"
# A record over more lines than this is a quote that was opened and not closed, and it swallowed its neighbours.
MAX_RECORD_LINES = 20
# What "surrogateescape" makes of bytes that are no UTF-8.
_FOREIGN = re.compile("[\udc80-\udcff]")
# Spreadsheets run cells that begin so; export puts an apostrophe before them, and import takes it off again.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class ImportFileError(errors.DigestError):
    """The file as a whole cannot be imported."""


class RowError(errors.DigestError):
    """One line cannot be imported."""


@dataclass(frozen=True, slots=True)
class Row:
    """One reader; None is what the line says nothing about."""

    line: int
    address: addresses.EmailAddress
    name: str | None
    locale: str | None
    wish: preferences.Wish
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str


def open_file(path: Path) -> TextIO:
    """The file as text, whatever a spreadsheet made of it. Bytes that are no UTF-8 are found line by line."""
    try:
        with path.open("rb") as probe:
            start = probe.read(2)
        encoding = "utf-16" if start in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        return path.open(encoding=encoding, errors="surrogateescape", newline="")
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror}") from None


def read(lines: Iterable[str]) -> Iterator[Row | BadRow]:
    """Each line but the header and blank ones. Raises ImportFileError when the header is wrong."""
    source = iter(lines)
    header = next(source, "")
    delimiter = max(DELIMITERS, key=header.count)
    columns = _columns(header, delimiter)
    reader = csv.reader(source, delimiter=delimiter)
    while True:
        # The reader counts lines, not records, and starts after the header.
        line = reader.line_num + 2
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if any(map(str.strip, cells)):
                yield _row(line, _named(columns, cells, spans=reader.line_num + 2 - line))
        except (errors.DigestError, csv.Error) as error:
            yield BadRow(line, str(error))


def _columns(header: str, delimiter: str) -> list[str]:
    names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    known = ", ".join(COLUMNS)
    if not any(names):
        raise ImportFileError(f"the file is empty; its first line must name the columns: {known}")
    if "email" not in names:
        raise ImportFileError(f"the first line must name the columns, one of them email; known are: {known}")
    unknown = [name for name in names if name not in COLUMNS]
    if unknown:
        shown = ", ".join(f"'{_clean(name)}'" for name in unknown)
        raise ImportFileError(f"unknown column {shown}; known are: {known}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ImportFileError(f"column {', '.join(twice)} stands twice")
    return names


def _clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:60]


def _named(columns: list[str], cells: list[str], *, spans: int) -> dict[str, str]:
    if spans > MAX_RECORD_LINES:
        raise RowError(f'the {spans} lines from here on are one record: a quote (") is not closed')
    if len(cells) > len(columns):
        raise RowError(f"has {len(cells)} cells, the header names {len(columns)}")
    cells = [cell.strip() for cell in cells]
    if _FOREIGN.search("".join(cells)):
        raise RowError("is not UTF-8; save the file as CSV UTF-8")
    if "\x00" in "".join(cells):
        raise RowError("holds a NUL character")
    return {name: _unguarded(cell) for name, cell in zip(columns, cells, strict=False) if cell}


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[0:1] == "'" and cell[1:2] in FORMULA else cell


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _row(line: int, cells: dict[str, str]) -> Row:
    wish = preferences.Wish(
        frequency=_parsed(cells, "frequency", _frequency),
        weekday=_parsed(cells, "weekday", _weekday),
        send_at=_parsed(cells, "send_at", _send_at),
        timezone=_parsed(cells, "timezone", lambda text: zones.get(text).key),
        topics=_parsed(cells, "topics", _topics),
    )
    return Row(
        line,
        addresses.parse(cells.get("email", "")),
        _parsed(cells, "name", _name),
        _parsed(cells, "locale", _locale),
        wish,
        is_pending=_is_pending(cells.get("state", "active")),
    )


def _parsed(cells: dict[str, str], column: str, parse: Callable[[str], _T]) -> _T | None:
    text = cells.get(column)
    return None if text is None else parse(text)


def _frequency(text: str) -> str:
    if text.lower() not in publications.FREQUENCIES:
        raise RowError(f"'{text}' is no frequency; use one of {', '.join(publications.FREQUENCIES)}")
    return text.lower()


def _weekday(text: str) -> int:
    if text.lower() not in publications.WEEKDAYS:
        raise RowError(f"'{text}' is no weekday; use monday, tuesday … sunday")
    return publications.WEEKDAYS.index(text.lower())


@functools.lru_cache(maxsize=2000)
def _send_at(text: str) -> str:
    found = re.fullmatch(r"([01]?[0-9]|2[0-3]):([0-5][0-9])(:00)?", text, re.ASCII)
    if not found:
        raise RowError(f"'{text}' is no time of day; write it like 07:30")
    return f"{int(found[1]):02}:{found[2]}"


def _topics(text: str) -> tuple[str, ...]:
    return tuple(sorted({slug.strip().lower() for slug in text.split(";") if slug.strip()}))


def _name(text: str) -> str:
    return " ".join(text.split())[:200]


@functools.lru_cache(maxsize=500)
def _locale(text: str) -> str:
    try:
        return str(babel.Locale.parse(text.replace("_", "-"), sep="-")).replace("_", "-")
    except (ValueError, babel.UnknownLocaleError):
        raise RowError(f"'{text}' is no locale; write it like en or de-AT") from None


def _is_pending(state: str) -> bool:
    """An export says how its readers stood; whoever had left there is not brought in here."""
    if state.lower() not in ("active", "pending"):
        raise RowError(f"is '{state}' in the file: not imported")
    return state.lower() == "pending"
