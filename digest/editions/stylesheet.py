"""A lint for the stylesheet that is inlined: it refuses what would make a block's look depend on its neighbours.

Blocks are inlined together in one order and sent in many others, so a rule such as `.story + .story` would be right
in the first and wrong in the rest. Pure.
"""

import re
from collections.abc import Iterator

from digest import errors

COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
SELECTOR = re.compile(r"([^{}]+)\{")
NEIGHBOURS = re.compile(r"[+~]|:(?:first|last|only)-(?:child|of-type)|:nth-[a-z-]+|:empty|:has\(|:root", re.IGNORECASE)


class StylesheetError(errors.DigestError):
    """A rule of the stylesheet cannot be inlined block by block."""


def check(source: str, name: str) -> None:
    """Raises StylesheetError that names every offending rule by file and line."""
    faults = [f"{name}:{line}: {what}" for line, what in _faults(source)]
    if faults:
        raise StylesheetError("\n".join(faults))


def _faults(source: str) -> Iterator[tuple[int, str]]:
    # Same length and same lines as the source, so that positions still tell the line.
    bare = TEMPLATE.sub(_blank, COMMENT.sub(_blank, source))
    for rule in SELECTOR.finditer(bare):
        selector = rule[1].strip()
        line = bare.count("\n", 0, rule.start(1) + len(rule[1]) - len(rule[1].lstrip())) + 1
        if selector.startswith("@"):
            yield line, f"{selector.split()[0]} cannot be inlined; put it into parts/media.css"
        elif bad := NEIGHBOURS.search(selector):
            yield line, f"'{selector}' looks at neighbours ('{bad[0]}'), and blocks have none; use a class"


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
