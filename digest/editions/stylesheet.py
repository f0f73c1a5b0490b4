"""A lint for the stylesheets of mails: it refuses what would make a block's look depend on its neighbours, and what
mail programs answer by dropping everything.

Blocks are inlined together in one order and sent in many others, so a rule such as `.story + .story` would be right
in the first and wrong in the rest. Pure.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

import cssselect
import tinycss2

from digest import errors

# A line, and what is wrong there.
Fault = tuple[int, str]
COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
# Filled in from a template: rules where it has a line of its own, else part of a declaration.
RULES = re.compile(r"^[ \t]*\{\{.*?\}\}[ \t]*$", re.MULTILINE)
VALUE = re.compile(r"\{\{.*?\}\}")
TEMPLATE = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}", re.DOTALL)
# At-rules that hold rules; the others hold declarations.
GROUPS = frozenset({"media", "supports"})
SELECTOR = re.compile(r"([^{}]+)\{")
NEIGHBOURS = re.compile(r"[+~]|:(?:first|last|only)-(?:child|of-type)|:nth-[a-z-]+|:empty|:has\(|:root", re.IGNORECASE)
# Gmail drops a whole block or attribute over one colour written in a way it does not know.
COLOUR = re.compile(
    r":[^;{}]*?(#(?![0-9a-f]{6}\b)[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|color-mix|light-dark|var)\()",
    re.IGNORECASE,
)


class StylesheetError(errors.DigestError):
    """A rule of a stylesheet cannot be used in a mail."""


def check(source: str, name: str, *, is_inlined: bool = True) -> None:
    """Raises StylesheetError that names every offending rule by file and line."""
    # Same length and same lines as the source, so that positions still tell the line.
    bare = TEMPLATE.sub(_blank, COMMENT.sub(_blank, source))
    found = [*_braces(bare), *_colours(bare), *(_rules(bare) if is_inlined else _imports(bare))]
    if not found:
        # Only now: behind a brace that is missing, reading on would blame the innocent.
        worded = TEMPLATE.sub(_blank, VALUE.sub(_word, RULES.sub(_blank, COMMENT.sub(_blank, source))))
        found = [*_grammar(tinycss2.parse_stylesheet(worded, skip_whitespace=True))]
    if found:
        raise StylesheetError("\n".join(f"{name}:{line}: {what}" for line, what in sorted(found)))


def _rules(bare: str) -> Iterator[Fault]:
    for rule in SELECTOR.finditer(bare):
        selector = rule[1].strip()
        line = _line(bare, rule.start(1) + len(rule[1]) - len(rule[1].lstrip()))
        if selector.startswith("@"):
            yield line, f"{selector.split()[0]} cannot be inlined; put it into parts/media.css"
        elif bad := NEIGHBOURS.search(selector):
            yield line, f"'{selector}' looks at neighbours ('{bad[0]}'), and blocks have none; use a class"


def _grammar(nodes: Sequence[Any]) -> Iterator[Fault]:
    """What programs pass over without a word by the rules of CSS (CSS Syntax Module Level 3, section 2.2)."""
    for node in nodes:
        if node.type == "error":
            yield node.source_line, f"not CSS: {node.message.partition(', got')[0]}"
        elif node.type == "declaration" and not tinycss2.serialize(node.value).strip():
            yield node.source_line, f"'{node.name}' has no value"
        elif node.type == "at-rule" and node.content and node.lower_at_keyword in GROUPS:
            yield from _grammar(tinycss2.parse_rule_list(node.content, skip_whitespace=True))
        elif node.type in ("qualified-rule", "at-rule") and node.content:
            yield from _selectors(node)
            yield from _grammar(tinycss2.parse_declaration_list(node.content, skip_whitespace=True))


def _selectors(rule: Any) -> Iterator[Fault]:
    written = tinycss2.serialize(rule.prelude).strip()
    try:
        if rule.type == "qualified-rule":
            cssselect.parse(written)
    except cssselect.SelectorError as error:
        yield rule.source_line, f"'{written}' is no selector: {error}"


def _imports(bare: str) -> Iterator[Fault]:
    for rule in re.finditer("@import", bare, re.IGNORECASE):
        yield _line(bare, rule.start()), "@import asks another server, and mail programs drop it; write the rules here"


def _colours(bare: str) -> Iterator[Fault]:
    for rule in COLOUR.finditer(bare):
        yield _line(bare, rule.start(1)), f"'{rule[1].rstrip('(')}': write colours as #rrggbb, Gmail drops others whole"


def _braces(bare: str) -> Iterator[Fault]:
    open_at: list[int] = []
    for brace in re.finditer("[{}]", bare):
        if brace[0] == "{":
            open_at.append(brace.start())
        elif open_at:
            open_at.pop()
        else:
            yield _line(bare, brace.start()), "a brace is closed that was never opened"
    yield from ((_line(bare, at), "this brace is never closed") for at in open_at)


def _line(bare: str, at: int) -> int:
    return bare.count("\n", 0, at) + 1


def _word(match: re.Match[str]) -> str:
    return "x".ljust(len(match[0]))


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])
