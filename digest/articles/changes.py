"""Which entries of a document are new, which are known Articles that changed, and what becomes of the new. Pure.

An entry is a known Article by its guid within the Source; else by its canonical URL within the Publication, if no
other entry of the document has that URL; else by the content of title and body within the Source.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from digest.articles import weblinks
from digest.articles.models import ArticleState
from digest.articles.parse import Entry, Fault

_FAR = timedelta(days=366)  # a date this far ahead is a slip of the pen more often than a plan


@dataclass(frozen=True, slots=True)
class Rules:
    archive_after: timedelta = timedelta(days=7)  # older items of a new Source are its past, not news
    newest: int = 10  # released whatever their age, so that a new Publication has something to show
    hold_above: int = 50  # more at once is a feed that broke or was rebuilt, more often than news


DEFAULTS = Rules()


@dataclass(frozen=True, slots=True)
class Occasion:
    """When the document was fetched, and what was there before it."""

    now: datetime
    is_first_fetch: bool = False  # of this Source
    is_publication_empty: bool = False  # no Article has a position yet


@dataclass(frozen=True, slots=True)
class Known:
    """An Article of the Publication that an entry might be."""

    id: int
    is_of_source: bool
    guid: str | None
    url_key: str | None
    content_hash: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Keys:
    """By what the Articles that these entries might be are found, so that not all of them need to be loaded."""

    guids: frozenset[str]
    url_keys: frozenset[str]
    hashes: frozenset[str]


@dataclass(frozen=True, slots=True)
class New:
    entry: Entry
    state: ArticleState
    release_at: datetime


@dataclass(frozen=True, slots=True)
class Update:
    article_id: int
    entry: Entry


@dataclass(frozen=True, slots=True)
class Changes:
    """`new` is ordered from old to new: stored and released so, positions follow the publisher's own order."""

    new: tuple[New, ...]
    updated: tuple[Update, ...]
    unchanged: int
    faults: tuple[Fault, ...]


def decide(entries: Sequence[Entry], known: Sequence[Known], *, occasion: Occasion, rules: Rules = DEFAULTS) -> Changes:
    distinct = once(entries)
    matches = match(distinct, known)
    fresh = [entry for entry, article in zip(distinct, matches, strict=True) if article is None]
    pairs = [(entry, article) for entry, article in zip(distinct, matches, strict=True) if article is not None]
    updated = tuple(Update(article.id, entry) for entry, article in pairs if _differs(entry, article))
    new = [_new(entry, occasion.now) for entry in _by_age(fresh, occasion.now)]
    if occasion.is_first_fetch:
        kept = rules.newest if occasion.is_publication_empty else 0
        new = _archived(new, oldest=occasion.now - rules.archive_after, keep_newest=kept)
    return Changes(
        new=tuple(_held(new, rules.hold_above)),
        updated=updated,
        unchanged=len(pairs) - len(updated),
        faults=tuple(_far_ahead(new, occasion.now)),
    )


def keys(entries: Sequence[Entry]) -> Keys:
    urls = Counter(weblinks.canonical(entry.url) for entry in entries if entry.url)
    return Keys(
        guids=frozenset(entry.guid for entry in entries if entry.guid),
        url_keys=frozenset(key for entry in entries if (key := _sole_url(entry, urls))),
        hashes=frozenset(entry.content_hash for entry in entries),
    )


def once(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that stand in the document twice; the first counts, as feeds begin with the newest."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for entry in entries:
        keys = _own_keys(entry)
        if seen.isdisjoint(keys):
            kept.append(entry)
        seen.update(keys)
    return kept


def match(entries: Sequence[Entry], known: Sequence[Known]) -> list[Known | None]:
    """For each entry the Article it is. An Article is given once, and to the strongest claim."""
    found: list[Known | None] = [None] * len(entries)
    taken: set[int] = set()
    own = [article for article in known if article.is_of_source]
    urls = Counter(weblinks.canonical(entry.url) for entry in entries if entry.url)
    steps: tuple[tuple[Callable[[Entry], str | None], dict[str, list[Known]]], ...] = (
        (lambda entry: entry.guid, _by(own, lambda article: [article.guid])),
        # Our own Source's Article goes before another one's of the same URL.
        (lambda entry: _sole_url(entry, urls), _by([*own, *known], lambda article: [article.url_key])),
        # Same words at the same URL before same words elsewhere.
        (_words_and_url, _by(own, lambda article: [_joined(article.content_hash, article.url_key)])),
        (_words, _by(own, lambda article: [article.content_hash])),
    )
    for key_of, articles in steps:
        for index, entry in enumerate(entries):
            candidates = articles.get(key_of(entry) or "", ()) if found[index] is None else ()
            article = next((candidate for candidate in candidates if candidate.id not in taken), None)
            if article is not None:
                found[index] = article
                taken.add(article.id)
    return found


def fingerprint(entry: Entry) -> str:
    """Differs when anything readers see differs."""
    shown = {key: value for key, value in asdict(entry).items() if key not in ("guid", "content_hash")}
    return hashlib.sha256(json.dumps(shown, default=str, sort_keys=True).encode()).hexdigest()


def _by(known: Iterable[Known], keys_of: Callable[[Known], list[str | None]]) -> dict[str, list[Known]]:
    found: dict[str, list[Known]] = {}
    for article in known:
        for key in filter(None, keys_of(article)):
            found.setdefault(key, []).append(article)
    return found


def _own_keys(entry: Entry) -> set[tuple[str, str]]:
    pairs = (("guid", entry.guid), ("words", _words(entry) or _words_and_url(entry)))
    return {(kind, key) for kind, key in pairs if key}


def _words(entry: Entry) -> str | None:
    """The content's hash, if it tells this item from others: "Open thread" without a text stands for many."""
    return entry.content_hash if entry.body or not (entry.guid or entry.url) else None


def _words_and_url(entry: Entry) -> str | None:
    """All there is to know an item by that has neither guid nor text, at a URL it may share."""
    if entry.guid and not entry.body:
        return None
    return _joined(entry.content_hash, weblinks.canonical(entry.url) if entry.url else None)


def _joined(content_hash: str, url_key: str | None) -> str:
    return f"{content_hash} {url_key or ''}"


def _sole_url(entry: Entry, urls: Counter[str]) -> str | None:
    """Feeds whose items all link to the home page say nothing by it."""
    key = weblinks.canonical(entry.url) if entry.url else None
    return key if key and urls[key] == 1 else None


def _differs(entry: Entry, article: Known) -> bool:
    """Only the Source an Article came from may change it; two that carry it would otherwise rewrite it in turns."""
    has_new_guid = entry.guid is not None and entry.guid != article.guid
    return article.is_of_source and (has_new_guid or fingerprint(entry) != article.fingerprint)


def _by_age(entries: list[Entry], now: datetime) -> list[Entry]:
    """From old to new. An entry without a date is as new as can be; the document's order, newest first, decides."""
    oldest_first = entries[::-1]
    return sorted(oldest_first, key=lambda entry: entry.published_at or now)


def _new(entry: Entry, now: datetime) -> New:
    return New(entry, ArticleState.WAITING, max(now, entry.published_at or now))


def _archived(new: list[New], *, oldest: datetime, keep_newest: int) -> list[New]:
    last = len(new) - keep_newest
    return [
        New(item.entry, ArticleState.ARCHIVED, item.release_at) if index < last and _is_older(item, oldest) else item
        for index, item in enumerate(new)
    ]


def _is_older(item: New, oldest: datetime) -> bool:
    return item.entry.published_at is not None and item.entry.published_at < oldest


def _held(new: list[New], hold_above: int) -> list[New]:
    waiting = [item for item in new if item.state is ArticleState.WAITING]
    if len(waiting) <= hold_above:
        return new
    return [
        New(item.entry, ArticleState.HELD, item.release_at) if item.state is ArticleState.WAITING else item
        for item in new
    ]


def _far_ahead(new: list[New], now: datetime) -> Iterable[Fault]:
    for item in new:
        if item.release_at > now + _FAR:
            yield Fault(item.entry.title[:80], f"is dated {item.release_at:%Y-%m-%d} and waits until then")
