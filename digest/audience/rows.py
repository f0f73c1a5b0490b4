"""A CSV of readers as rows, one at a time: what each line says, or what is wrong with it (pure).

The columns are ours, or those of another sender's export as `foreign` knows them. Judges spelling only: whether an
address may be written to and whether the Publication has the topic is for the import. A bad line never stops the
others; a bad header stops everything before anything is done.
"""

import codecs
import csv
import enum
import functools
import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from digest import addresses, errors, locales, publications, zones
from digest.audience import foreign, preferences

# What an export has, and what a list may say besides: until when its readers have seen everything already.
COLUMNS = (
    *("email", "name", "frequency", "timezone", "send_at", "weekday", "topics", "locale", "layout", "paused_until"),
    *("state", "consented_at", "left_at"),
)
KNOWN = (*COLUMNS, "seen_until")
DELIMITERS = ",;\t"
# Far from both ends of what Python and the databases can count.
REACH = range(1970, 2200)
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


class Told(enum.StrEnum):
    """How a reader stood where the list comes from, from best to worst."""

    ACTIVE = "active"
    PENDING = "pending"
    UNSUBSCRIBED = "unsubscribed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    BLOCKED = "blocked"


class Row(NamedTuple):
    """One reader; None is what the line says nothing about. Instants are UTC."""

    line: int
    address: addresses.EmailAddress
    wish: preferences.Wish
    name: str | None = None
    locale: str | None = None
    state: Told = Told.ACTIVE
    consented_at: datetime | None = None
    left_at: datetime | None = None
    seen_until: datetime | None = None
    layout: str | None = None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    line: int
    reason: str


def open_file(path: Path) -> TextIO:
    """The file as text. Raises ImportFileError."""
    try:
        return as_text(path.open("rb"))
    except OSError as error:
        raise ImportFileError(f"cannot read {path}: {error.strerror}") from None


def as_text(source: io.BufferedReader) -> TextIO:
    """What a spreadsheet wrote, in either of its encodings. Bytes that belong to neither are found line by line."""
    is_wide = source.peek(2)[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if is_wide else "utf-8-sig"
    return io.TextIOWrapper(source, encoding, "surrogateescape", newline="")


def at_best(found: Iterable[Row | BadRow], told: Told) -> Iterator[Row | BadRow]:
    """The same, of a list whose readers all stood so where it comes from; who says something worse keeps that."""
    badness = tuple(Told).index
    for row in found:
        yield row._replace(state=max(row.state, told, key=badness)) if isinstance(row, Row) else row


def read(lines: Iterable[str], on_export: Callable[[foreign.Dialect], None] | None = None) -> Iterator[Row | BadRow]:
    """Each line but the header and blank ones. Raises ImportFileError when the header is wrong.

    `on_export` hears whose export it is, if another sender's.
    """
    source = decoded(lines)
    try:
        header = next(source, "")
    except RowError as error:
        raise ImportFileError(f"the file {error}") from None
    delimiter = max(DELIMITERS, key=header.count)
    columns, dialect = _columns(header, delimiter)
    if dialect and on_export:
        on_export(dialect)
    reader = csv.reader(source, delimiter=delimiter)
    while True:
        # The reader counts lines, not records, and starts after the header.
        line = reader.line_num + 2
        try:
            cells = next(reader, None)
            if cells is None:
                return
            cells = [cell.strip() for cell in cells]
            if text := "".join(cells):
                _refuse_damage(columns, cells, text, spans=reader.line_num + 2 - line)
                named = dict(_named(columns, cells))
                yield of_cells(line, dialect.translate(named) if dialect else named)
        except (errors.DigestError, csv.Error) as error:
            yield BadRow(line, str(error))


def decoded(lines: Iterable[str]) -> Iterator[str]:
    """Half a character of UTF-16 cannot be escaped; what comes after it cannot be told."""
    try:
        yield from lines
    except UnicodeDecodeError:
        raise RowError("cannot be read from here on: broken UTF-16; save the file as UTF-8") from None


def _columns(header: str, delimiter: str) -> tuple[list[str], foreign.Dialect | None]:
    try:
        names = [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error as error:
        raise ImportFileError(f"the first line, which must name the columns, cannot be read: {error}") from None
    known = ", ".join(KNOWN)
    if not any(names):
        raise ImportFileError(f"the file is empty; its first line must name the columns: {known}")
    if dialect := foreign.recognise(names):
        return names, dialect
    if "email" not in names:
        raise ImportFileError(f"the first line must name the columns, one of them email; known are: {known}")
    unknown = [name for name in names if name not in KNOWN]
    if unknown:
        shown = ", ".join(f"'{clean(name)}'" for name in unknown)
        raise ImportFileError(f"unknown column {shown}; known are: {known}")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ImportFileError(f"column {', '.join(twice)} stands twice")
    return names, None


def clean(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()[:60]


def _refuse_damage(columns: list[str], cells: list[str], text: str, *, spans: int) -> None:
    if spans > MAX_RECORD_LINES:
        raise RowError(f'the {spans} lines from here on are one record: a quote (") is not closed')
    if len(cells) > len(columns):
        raise RowError(f"has {len(cells)} cells, the header names {len(columns)}")
    if not text.isascii() and _FOREIGN.search(text):
        raise RowError("is not UTF-8; save the file as CSV UTF-8")
    if "\x00" in text:
        raise RowError("holds a NUL character")


def _named(columns: list[str], cells: list[str]) -> Iterator[tuple[str, str]]:
    for name, cell in zip(columns, cells, strict=False):
        if cell:
            yield name, _unguarded(cell) if cell[0] == "'" else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell.lstrip("'").startswith(FORMULA) else cell


def guarded(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; one that looks guarded already is guarded once more."""
    return f"'{cell}" if cell.lstrip("'").startswith(FORMULA) else cell


def of_cells(line: int, cells: dict[str, str]) -> Row:
    said = {name: parse(cells[name]) for name, parse in _PARSERS.items() if name in cells}
    address = said.pop("email") if "email" in said else addresses.parse("")
    wish = preferences.Wish(*(said.pop(name, None) for name in preferences.Wish._fields))
    return Row(line, address, wish, **said)


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


def _layout(text: str) -> str:
    if text.lower() not in preferences.LAYOUTS:
        raise RowError(f"'{text}' is no layout; use one of {', '.join(preferences.LAYOUTS)}, or leave it empty")
    return text.lower()


def _name(text: str) -> str:
    return " ".join(text.split())[:200]


def _state(text: str) -> Told:
    try:
        return Told(text.lower())
    except ValueError:
        raise RowError(f"is '{text}' in the file: not imported") from None


@functools.lru_cache(maxsize=500)
def instant(text: str) -> datetime:
    """A date or date and time as ISO 8601 writes it; UTC where no offset stands. Raises RowError."""
    try:
        found = datetime.fromisoformat(text.removesuffix(" UTC"))
    except ValueError:
        raise RowError(f"'{text}' is no date; write it like 2026-11-02 or 2026-11-02T07:30:00Z") from None
    if found.year not in REACH:
        raise RowError(f"'{text}' is no date of a reader's; years go from {REACH.start} to {REACH.stop - 1}")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def until(text: str) -> datetime:
    """As `instant`; a date alone means the end of that day. Raises RowError."""
    found = instant(text)
    return found + timedelta(days=1) if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text) else found


def _zone(text: str) -> str:
    return zones.get(text).key


# In the order in which mistakes are found: of several only the first is told.
_PARSERS: dict[str, Callable[[str], Any]] = {
    "frequency": _frequency,
    "weekday": _weekday,
    "send_at": _send_at,
    "timezone": _zone,
    "topics": _topics,
    "email": addresses.parse,
    "name": _name,
    "locale": locales.parse,
    "state": _state,
    "consented_at": instant,
    "left_at": instant,
    "seen_until": until,
    "layout": _layout,
    "paused_until": instant,
}
