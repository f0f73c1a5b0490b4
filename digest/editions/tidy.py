"""Text from outside made fit for a mail: one line, no control characters, no direction tricks, links we would follow.

Feeds are written by strangers: every title, standfirst, name and address of an Article passes here once, before any
template sees it. Pure; escaping for HTML is the template's work, not done here.
"""

import re
import textwrap
import unicodedata
import urllib.parse

# C0 and C1 controls, lone surrogates and noncharacters: libxml2 cuts a document short or refuses it at some of them.
UNPRINTABLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
# Embeddings, overrides and isolates reach beyond their own text: one unclosed U+202E turns the rest of a line around.
# The marks U+200E/F and the joiners of emoji stay, they are harmless and meant.
DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
WEB = re.compile(r"https?://[^/\s]", re.IGNORECASE)
# Everything RFC 3986 allows in an address, "%" included, so what is quoted already is not quoted twice.
URL_SAFE = ":/?#[]@!$&'()*+,;=%~-._"
GLUE = "\u200d\ufe0f"
# What fits beside the quoting marks of an answer, and on every screen.
WIDTH = 72


def line(text: str) -> str:
    """The text as one line: white space of any kind becomes single spaces."""
    return " ".join(DIRECTION.sub("", UNPRINTABLE.sub("", text)).split())


def url(address: str | None) -> str | None:
    """The address if it is an absolute web address, quoted so that it has no space and no quote, else None."""
    stripped = UNPRINTABLE.sub("", address or "").strip()
    if not WEB.match(stripped):
        return None
    return urllib.parse.quote(stripped, safe=URL_SAFE)


def shorten(text: str, width: int) -> str:
    """At most `width` characters, cut between words where there are any, with an ellipsis."""
    if len(text) <= width:
        return text
    cut = text[: max(width - 1, 1)]
    if not text[len(cut)].isspace():
        # A text without spaces (Chinese, or one endless word) is cut where it stands, if the last space is far back.
        at = cut.rfind(" ")
        cut = cut[:at] if at > width // 2 else _whole(cut, text[len(cut)])
    return cut.rstrip(" ,;:.–—-") + "…"


def _whole(cut: str, following: str) -> str:
    """Give back the begun character: a letter without its accent, an emoji without its second half."""
    while cut and (_is_joined(following) or cut[-1] in GLUE):
        cut, following = cut[:-1], cut[-1]
    return cut


def _is_joined(character: str) -> bool:
    return character in GLUE or unicodedata.category(character).startswith("M")


def wrap(text: str, width: int = WIDTH, indent: str = "", hang: str = "") -> str:
    """Lines of at most `width`, all but the first after `hang`; a word longer than that, an address above all, stays
    whole.
    """
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=hang or indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "\n".join(lines)


def centre(text: str, width: int = WIDTH) -> str:
    """The text in the middle of the column, without blanks behind it."""
    return "\n".join(line.center(width).rstrip() for line in wrap(text, width).splitlines())
