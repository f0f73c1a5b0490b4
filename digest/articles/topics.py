"""Which Topics an Article carries. Pure."""

import functools
import re
from collections.abc import Sequence
from typing import Protocol


class Rule(Protocol):
    """The part of a Topic that decides; `publications.Topic` has it."""

    @property
    def slug(self) -> str: ...
    @property
    def categories(self) -> tuple[str, ...]: ...
    @property
    def keywords(self) -> tuple[str, ...]: ...


class Said(Protocol):
    """What is looked at; entries and stored Articles have it."""

    @property
    def title(self) -> str: ...
    @property
    def standfirst(self) -> str: ...
    @property
    def categories(self) -> Sequence[str]: ...


def match(rules: Sequence[Rule], article: Said, defaults: Sequence[str] = ()) -> tuple[str, ...]:
    """Slugs in the order of the rules. `defaults` are those every Article of its Source carries.

    A category that is a Topic's own slug always counts: who hands an Article in names its Topics that way.
    """
    categories = {_folded(category) for category in article.categories}
    text = _folded(f"{article.title}\n{article.standfirst}")
    return tuple(rule.slug for rule in rules if rule.slug in defaults or _applies(rule, categories, text))


def _applies(rule: Rule, categories: set[str], text: str) -> bool:
    if any(_folded(category) in categories for category in (rule.slug, *rule.categories)):
        return True
    return any(_word(keyword).search(text) for keyword in rule.keywords if keyword.strip())


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


@functools.lru_cache(maxsize=1024)
def _word(keyword: str) -> re.Pattern[str]:
    """The keyword as a whole word: "art" is not in "heart". A keyword may end in a sign ("C++"), so no \\b."""
    return re.compile(rf"(?<!\w){re.escape(_folded(keyword))}(?!\w)")
