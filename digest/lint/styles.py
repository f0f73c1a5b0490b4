"""Style sheets and style attributes: what Gmail drops whole, and what only some programs understand (pure)."""

import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import tinycss2

from digest.lint import page as pages
from digest.lint.finding import Finding, error

# Beyond this Gmail drops the whole block.
LARGEST_BLOCK = 16 * 1024
# One colour in a form that Gmail does not know takes the whole attribute or block with it.
MODERN = re.compile(
    r"\b(?:hsla?|hwb|lab|lch|oklab|oklch|color|color-mix|light-dark)\(|\brgba?\([^)]*[\s\d]/|\brgba?\(\s*\d+%?\s+\d+|"
    r"#(?:[0-9a-f]{8}|[0-9a-f]{4})\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Declaration:
    """One property somewhere; `media` is the condition around it, "" for none; `selector` "" for an attribute."""

    name: str
    value: str
    where: str
    selector: str = ""
    media: str = ""
    is_important: bool = False


def check(page: pages.Page) -> Iterator[Finding]:
    for block in page.all("style"):
        text = block.text or ""
        where = pages.place(block)
        if len(text.encode()) > LARGEST_BLOCK:
            yield error(
                "large-style", where, f"has {len(text.encode()):,} bytes", "Gmail drops blocks of over 16 KB: split it"
            )
        if "@import" in text:
            yield error("import", where, "@import", "write the rules themselves; nothing is loaded in a mail")
    for one in declarations(page):
        yield from _declaration(one)


def _declaration(one: Declaration) -> Iterator[Finding]:
    if found := MODERN.search(one.value):
        what = f"{one.name}: {one.value.strip()[:50]}"
        yield error(
            "modern-colour", one.where, what, f"write {found[0].strip()}… as #rrggbb: Gmail drops all around it"
        )
    if "var(" in one.value or one.name.startswith("--"):
        yield error(
            "variable", one.where, f"{one.name}: {one.value.strip()[:50]}", "write the value; Gmail drops var()"
        )
    if re.search(r"url\(\s*['\"]?(?!https://|data:)", one.value):
        yield error("style-address", one.where, f"{one.name}: {one.value.strip()[:50]}", "write a whole https address")


def declarations(page: pages.Page) -> Iterator[Declaration]:
    """All there are, in attributes first and then in blocks."""
    for element in page.all():
        if style := element.get("style"):
            yield from _read(tinycss2.parse_declaration_list(style, True, True), pages.place(element))
    for block in page.all("style"):
        rules = tinycss2.parse_stylesheet(block.text or "", True, True)
        yield from _rules(rules, block.sourceline or 0, "")


def _rules(rules: list[Any], line: int, media: str) -> Iterator[Declaration]:
    for rule in rules:
        where = f"html line {line + rule.source_line - 1}"
        if rule.type == "at-rule" and rule.content is not None:
            condition = f"@{rule.at_keyword} {tinycss2.serialize(rule.prelude).strip()}"
            inner = tinycss2.parse_rule_list(rule.content, True, True)
            yield from _rules(inner, line, " ".join(filter(None, (media, condition))))
        elif rule.type == "qualified-rule":
            selector = tinycss2.serialize(rule.prelude).strip()
            yield from _read(tinycss2.parse_declaration_list(rule.content, True, True), where, selector, media)


def _read(found: list[Any], where: str, selector: str = "", media: str = "") -> Iterator[Declaration]:
    for one in found:
        if one.type == "declaration":
            value = tinycss2.serialize(one.value)
            yield Declaration(one.lower_name, value, where, selector, media, one.important)
