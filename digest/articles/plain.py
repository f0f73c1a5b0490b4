"""Plain text of strangers on one line: no control characters, nothing invisible, no direction tricks. Pure."""

import re
import unicodedata

# Soft hyphens, zero-width spaces, invisible operators, direction overrides: a headline's way to lie. The joiners
# U+200C and U+200D stay: Persian words and emoji of several people are made with them.
_INVISIBLE = re.compile("[\u00ad\u034f\u180e\u200b\u2060-\u2064\ufeff\u202a-\u202e\u2066-\u2069\ufff9-\ufffb]")
# Letters that look like nothing; some systems fill empty fields with them.
_BLANK = re.compile("[\x00-\x1f\x7f-\x9f\u115f\u1160\u2800\u3164\uffa0]")


def one_line(text: str) -> str:
    visible = _BLANK.sub(" ", _INVISIBLE.sub("", text))
    return " ".join(unicodedata.normalize("NFC", visible).split())
