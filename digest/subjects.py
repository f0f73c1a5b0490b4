"""The subject of a digest: a Publication's pattern, filled so that it fits where subjects are shown.

Only the lead title gives way, for it is the part that may be long; a title that pretends to be an answer is taken at
its word no further than that. Pure.
"""

import re
import string
from collections.abc import Callable, Mapping

from digest import errors

# What a phone shows of a subject is less, what a desktop shows is about this.
LIMIT = 70
# A title cut shorter than this says nothing; the subject is then allowed to be longer.
LEAST_LEAD = 24
DEFAULT = "{lead}{others}"
PLACES = {
    "lead": "the title of the first Article",
    "others": '", and 4 more stories", or nothing if there are none',
    "count": "how many Articles it tells",
    "name": "the Publication's name",
    "topic": "the first Article's topic, or nothing",
    "dates": "the days it covers",
}
# Gmail's rules for bulk senders forbid it, and readers take it for a trick: the marks of the languages mail speaks.
ANSWER = re.compile(r"^(?:\s*(?:re|fwd?|aw|wg|sv|vs|tr|rv|enc|antw)\s*(?:\[\d+\])?\s*[:：])+\s*", re.IGNORECASE)


class SubjectError(errors.DigestError):
    """A pattern for subjects cannot be used."""


def check(pattern: str) -> str:
    """The pattern. Raises SubjectError that says what is wrong with it."""
    try:
        parsed = list(string.Formatter().parse(pattern))
    except ValueError as error:
        raise SubjectError(f"{error}; write a place as {{lead}}, and a brace itself twice") from None
    places = [(name, form or change) for _, name, form, change in parsed if name is not None]
    for name, extra in places:
        if name not in PLACES or extra:
            known = ", ".join(f"{{{place}}}" for place in PLACES)
            raise SubjectError(f"there is no place {{{name}}}; there are: {known}")
    if pattern and not {"lead", "count"} & {name for name, _ in places}:
        raise SubjectError("say what is inside: the pattern needs {lead} or {count}")
    if ANSWER.match(pattern):
        raise SubjectError("a digest answers nobody and forwards nothing, so it cannot begin with Re: or Fwd:")
    return pattern


def write(pattern: str, words: Mapping[str, str], shorten: Callable[[str, int], str]) -> str:
    """The pattern with its places filled, at most LIMIT characters where the lead title can give way."""
    pattern, lead = pattern or DEFAULT, ANSWER.sub("", words["lead"])
    rest = len(pattern.format_map({**words, "lead": ""}))
    written = pattern.format_map({**words, "lead": shorten(lead, max(LIMIT - rest, LEAST_LEAD))})
    return ANSWER.sub("", written)
