"""Headlines as a reader would want them: no markup, no entity left over, no site's name, no shouting. Pure."""

import re
from collections import Counter

from digest.articles import excerpt, plain, sanitise

LONGEST = 200  # characters: four lines on a phone; what is longer is a text in the place of a title
_MARKUP = 20_000  # characters read of it; more is no title
# Markup that shows after decoding is markup only as a pair: "The <b> tag" is about one.
_PAIR = re.compile(r"<(em|i|b|strong|span|sup|sub|mark|u|q|cite|code|a)\b[^<>]*>([^<>]*)</\1>", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s+(?:[-–—|•·»«:]+|::)\s+")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_LEAST_WORDS = 4  # "NASA: FIRST IMAGES" may be right as it is
_KNOWN_SHARE = 0.6  # of the words, before we dare to write them anew


def tidy(markup: str, *, site: str = "", text: str = "") -> str:
    """Empty if there is no word in it. `text` is the Article's, by which words written in capitals are known."""
    found = _decoded(sanitise.title(markup[:_MARKUP]))
    return excerpt.shorten(_calm(_without_site(found, site), text), LONGEST) if re.search(r"\S", found) else ""


def _decoded(title: str) -> str:
    again = plain.decoded(title)
    return plain.one_line(_PAIR.sub(r"\2", _PAIR.sub(r"\2", again)))


def _without_site(title: str, site: str) -> str:
    """Pages end their title with the name of the site, which stands beside it in a mail anyway."""
    names = {name.casefold() for name in (site, *_SEPARATOR.split(site)[:1]) if name}
    separators = list(_SEPARATOR.finditer(title))
    for separator in separators:
        rest, name = title[: separator.start()].strip(), title[separator.end() :].strip()
        if name.casefold() in names and len(rest) >= 2:
            return rest
    return title


def _calm(title: str, text: str) -> str:
    """A title all in capitals, written as its words are in the text; as it is where the text does not tell."""
    words = _WORD.findall(title)
    if len(words) < _LEAST_WORDS or title != title.upper() or title == title.lower():
        return title
    spellings = _spellings(text)
    if sum(word.casefold() in spellings for word in words) < _KNOWN_SHARE * len(words):
        return title
    calm = _WORD.sub(lambda match: spellings.get(match[0].casefold(), match[0].capitalize()), title)
    return re.sub(r"(^\W*|[.!?:]\s+)(\w)", lambda match: match[1] + match[2].upper(), calm)


def _spellings(text: str) -> dict[str, str]:
    """How the text writes each word, most often; a capital after a full stop says nothing."""
    counts: dict[str, Counter[str]] = {}
    for match in re.finditer(r"(^|[.!?:“\"]\s*)?([^\W\d_]+(?:['’][^\W\d_]+)*)", text[:20_000]):
        word = match[2]
        is_start = match[1] is not None and word.istitle()
        counts.setdefault(word.casefold(), Counter())[word] += 1 if is_start else 1000
    return {key: _commonest(found) for key, found in counts.items()}


def _commonest(found: Counter[str]) -> str:
    word, weight = found.most_common(1)[0]
    # Only ever met at the start of a sentence: most such words are small otherwise.
    return word if weight >= 1000 else word.lower()
