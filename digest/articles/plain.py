"""Plain text of strangers on one line: no control characters, nothing invisible, no direction tricks. Pure."""

import html
import re
import unicodedata

# Soft hyphens, zero-width spaces, invisible operators, direction overrides: a headline's way to lie. The joiners
# U+200C and U+200D stay: Persian words and emoji of several people are made with them.
_INVISIBLE = re.compile("[\u00ad\u034f\u180e\u200b\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
# Letters that look like nothing; some systems fill empty fields with them.
_BLANK = re.compile("[\x00-\x1f\x7f-\x9f\u115f\u1160\u2800\u3164\uffa0]")

# Encoded once too often. Not &lt; and &gt;: who writes about HTML means them.
_LEFT = re.compile(
    r"&(?:#\d{2,6}|#x[0-9a-f]{2,5}|amp|quot|apos|nbsp|hellip|[mn]dash|[lr][sd]quo|[lr]aquo|bull|middot|shy|trade|reg|copy"
    r"|euro|[a-z](?:uml|acute|grave|circ|tilde|ring|cedil)|szlig);",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    visible = _BLANK.sub(" ", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", visible).split())


def decoded(text: str) -> str:
    """Without entities left over from a system that encoded too often: twice at most, deeper has not been seen."""
    if "&" not in text:
        return text
    again = _LEFT.sub(lambda match: html.unescape(match[0]), text)
    return _LEFT.sub(lambda match: html.unescape(match[0]), again)
