"""Many log events of one kind at once, for what happens thousands of times a second.

An event by itself costs 15 to 20 µs on its way through all processors, as much as the database work for a mail. Events
that share their keys are logged as one `Rows` instead; `run/logs.py` writes them in the same form as all others, one
line each, at some 3 µs.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Events called `event`; each row has a value for each of `keys`: a number, a short text, or None.

    Texts must come from short lists (states, names of relays), for their written form is remembered.
    """

    event: str
    keys: tuple[str, ...]
    rows: Sequence[tuple[Any, ...]]
