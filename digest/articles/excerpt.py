"""Short forms of a text: the standfirst, a title where there is none, minutes to read, and the hash of it. Pure."""

import hashlib
import re

STANDFIRST = 280  # characters: three lines in a mail, four on a phone
_WORDS_PER_MINUTE = 220
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CJK_PER_WORD = 2  # about 450 characters a minute, in scripts that put no space between words
_MOST_MINUTES = 600
# What publishing systems add to an excerpt by themselves, in the languages we met.
_APPENDED = (
    re.compile(r"\s*The post .{1,300} (?:first appeared|appeared first) on .{1,200}\.?$"),
    re.compile(r"\s*(?:Continue reading|Read more|Read the rest|Weiterlesen|Lire la suite)\b.{0,200}$"),
    re.compile(r"\s*(?:\[(?:…|\.{3}|&hellip;)\]|\[more\])\s*$"),
)


def shorten(text: str, length: int = STANDFIRST) -> str:
    """Cut on a word, better on a sentence, with an ellipsis unless it ends well."""
    if len(text) <= length:
        return text
    head = text[: length - 1]
    sentence = max(text.rfind(mark, 0, length) for mark in (". ", "! ", "? ", "。", "！", "？"))
    if sentence >= length * 2 // 3:
        return head[: sentence + 1]
    # A text without spaces (Chinese, a long URL) is cut where it is.
    word = text.rfind(" ", length // 2, length)
    return head[: word if word > 0 else None].rstrip(" ,;:–—-(") + "…"


def standfirst(summary: str, body: str) -> str:
    """From plain texts: the item's own summary if it says something, else the beginning of the body."""
    for text in (_without_additions(summary), body):
        if text:
            return shorten(text)
    return ""


def _without_additions(text: str) -> str:
    shorter = text
    for pattern in _APPENDED:
        shorter = pattern.sub("", shorter)
    # The publishing system cut it short, so perhaps in the middle of a sentence.
    is_open = shorter and shorter != text and not shorter.endswith((".", "!", "?", "…"))
    return f"{shorter}…" if is_open else shorter


def minutes(given: str, text: str) -> int:
    """Minutes the feed gives, else by counting words."""
    match = re.fullmatch(r"\s*(\d{1,3})(?:\.\d+)?\s*(?:min(?:utes?)?\.?(?: read)?)?\s*", given)
    found = int(match[1]) if match else 0
    words = len(text.split()) + len(_CJK.findall(text)) // _CJK_PER_WORD
    return min(max(found or round(words / _WORDS_PER_MINUTE), 1), _MOST_MINUTES)


def content_hash(title: str, text: str) -> str:
    """The same for the same words, whatever their case, spacing or markup."""
    normalised = "\n".join(" ".join(part.casefold().split()) for part in (title, text))
    return hashlib.sha256(normalised.encode("utf-8", "replace")).hexdigest()
