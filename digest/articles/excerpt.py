"""Short forms of a text: the standfirst, a title where there is none, minutes to read, and the hash of it. Pure."""

import hashlib
import itertools
import re
from collections.abc import Sequence

from digest.articles import asides, plain, prose

STANDFIRST = 280  # characters: three lines in a mail, four on a phone
_WORDS_PER_MINUTE = 220
_CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
_CJK_PER_WORD = 2  # about 450 characters a minute, in scripts that put no space between words
_MOST_MINUTES = 600
_TOO_SHORT = 80  # characters: a first sentence that only sets the scene, so the next paragraph belongs to it
_LEAST = 25  # less is a label, unless nothing else is there


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


def standfirst(summary: str, body: str, *, title: str = "") -> str:
    """From cleaned HTML: the item's own summary if it says something, else the beginning of the body."""
    return shorten(plain.one_line(plain.decoded(_without_title(_told(summary, body, title), title))))


def _told(summary: str, body: str, title: str) -> str:
    whole = " ".join(block.text for block in prose.blocks(summary) if _is_told(block))
    told, begun = asides.without_additions(whole), opening(body)
    if not told or _says_no_more(told, title):
        return begun or told
    stem = told.rstrip("… .")
    if asides.is_cut(whole, told) or told.endswith(("…", "...")):
        # Our own cut of the same words is no shorter, and it ends where a sentence does.
        return begun if begun.startswith(stem) else f"{stem}…"
    return told


def opening(body: str) -> str:
    """The first real paragraph, with the next if it is short; of an Article without any, what else there is.

    Where a feed has one text only, that may be an excerpt which software has cut.
    """
    text = _beginning(list(prose.blocks(body)))
    told = asides.without_additions(text)
    return f"{told}…" if asides.is_cut(text, told) else told


def _beginning(blocks: Sequence[prose.Block]) -> str:
    real = (number for number, block in enumerate(blocks) if _is_real(block))
    first = next(real, None)
    if first is None:
        rest = [block for block in blocks if not asides.is_one(block.text)]
        return _listed([block.text for block in rest if _is_told(block)] or [block.text for block in rest])
    text, after = blocks[first].text, blocks[first + 1 :]
    if text.endswith(":"):
        items = itertools.takewhile(lambda block: block.kind is prose.Kind.ITEM, after)
        return " ".join(filter(None, (text, _listed([item.text for item in items]))))
    if len(text) < _TOO_SHORT and after and _is_real(after[0]):
        return f"{text} {after[0].text}"
    return text


def _is_real(block: prose.Block) -> bool:
    is_long = len(block.text) >= _LEAST or bool(_CJK.search(block.text))
    return block.kind in (prose.Kind.PARAGRAPH, prose.Kind.QUOTE) and is_long and not asides.is_one(block.text)


def _is_told(block: prose.Block) -> bool:
    return block.kind not in (prose.Kind.CAPTION, prose.Kind.CODE, prose.Kind.HEADING) and not asides.is_one(block.text)


def _listed(texts: Sequence[str]) -> str:
    """Items in one line: as sentences where they are, else divided by semicolons."""
    is_prose = all(text.endswith((".", "!", "?", "。", "…", ":")) for text in texts[:-1])
    return " ".join(texts) if is_prose else "; ".join(text.rstrip(" ;,") for text in texts)


def _says_no_more(told: str, title: str) -> bool:
    """Many systems fill an empty summary with the title, or its beginning."""
    return bool(title) and _folded(title).startswith(_folded(told.rstrip("….")))


def _without_title(text: str, title: str) -> str:
    """Some begin the text with its title again."""
    if not title or not text.casefold().startswith(title.casefold()):
        return text
    rest = text[len(title) :].lstrip(" .:–—-")
    return rest if len(rest) >= _LEAST else text


def _folded(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.casefold()))


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
