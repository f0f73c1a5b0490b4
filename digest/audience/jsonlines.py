"""A list of readers as JSON, one object a line, read into the same rows as a CSV (pure).

Its members are named like our columns; topics may be a list. A bad line never stops the others.
"""

import itertools
import json
import re
from collections.abc import Iterable, Iterator

from digest import errors
from digest.audience import rows


def read(lines: Iterable[str]) -> Iterator[rows.Row | rows.BadRow]:
    """Each object but blank lines."""
    source = rows.decoded(lines)
    for number in itertools.count(1):
        try:
            line = next(source, None)
            if line is None:
                return
            if line.strip():
                yield rows.of_cells(number, dict(_members(line)))
        except errors.DigestError as error:
            yield rows.BadRow(number, str(error))


def _members(line: str) -> Iterator[tuple[str, str]]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise rows.RowError("is no JSON object")
    for name, value in found.items():
        text = ";".join(map(str, value)) if name == "topics" and isinstance(value, list) else value
        if name not in rows.KNOWN:
            raise rows.RowError(f"unknown member '{rows.clean(name)}'; known are: {', '.join(rows.KNOWN)}")
        if text is not None and not isinstance(text, str):
            raise rows.RowError(f"{name} must be a text")
        if text is not None and ("\x00" in text or re.search("[\ud800-\udfff]", text)):
            raise rows.RowError(f"{name} holds a character that is none")
        # An empty list of topics says something, an empty text nothing.
        if (text and text.strip()) or (name == "topics" and text is not None):
            yield name, text.strip()
