"""One visit to a Source: fetch what lies at its address, find the feed if that is a page, read it.

Touches the network and nothing else; what happens daily is a value. Whether and when to go, and what becomes of the
entries, is decided elsewhere.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from digest.articles import changes, discover, fetch, guard, parse, politeness

# Parsing cannot be stopped, only left behind in its thread: real feeds take milliseconds, the largest seconds.
_PARSE_TIMEOUT = timedelta(seconds=30)
_FEEDS_TRIED = 3  # of those a page names


@dataclass(frozen=True, slots=True)
class Fetcher:
    """How all Sources of this installation are fetched and judged."""

    limits: fetch.Limits = field(default_factory=fetch.Limits)
    rules: changes.Rules = changes.DEFAULTS
    interval: timedelta = politeness.INTERVAL
    max_entries: int = parse.MAX_ENTRIES
    resolve: guard.Resolver = guard.system_resolver


@dataclass(frozen=True, slots=True)
class Place:
    """Where to look, and what the server told us to show it again."""

    url: str
    etag: str | None = None
    modified: str | None = None
    may_discover: bool = False  # whether a page in place of a feed is asked for the feeds it names


@dataclass(frozen=True, slots=True)
class Read:
    """A feed, and the place to look next time."""

    feed: parse.Feed
    next: Place
    retry_after: timedelta | None


Result = Read | fetch.Unchanged | fetch.Gone | fetch.Refused


async def make(place: Place, fetcher: Fetcher) -> Result:
    document = await _fetched(place, fetcher)
    if not isinstance(document, fetch.Document):
        return document
    try:
        return await _read(place, document, fetcher)
    except parse.ParseError as error:
        found = await _discovered(document, fetcher) if place.may_discover else None
        return found or fetch.Refused(str(error), document.retry_after)


async def _fetched(place: Place, fetcher: Fetcher) -> fetch.Result:
    if is_file(place.url):
        return await fetch.read_file(file_path(place.url), max_bytes=fetcher.limits.max_bytes)
    return await fetch.get(
        place.url, etag=place.etag, modified=place.modified, limits=fetcher.limits, resolve=fetcher.resolve
    )


async def _read(place: Place, document: fetch.Document, fetcher: Fetcher) -> Read:
    """Raises ParseError. Only a place that proved to hold a feed is remembered as moved, with its validators."""
    feed = await _parsed(document, fetcher.max_entries)
    kept = Place(document.moved_to or place.url, document.etag, document.modified)
    return Read(feed, kept, document.retry_after)


async def _parsed(document: fetch.Document, max_entries: int) -> parse.Feed:
    reading = asyncio.to_thread(
        parse.read, document.body, url=document.url, content_type=document.content_type, max_entries=max_entries
    )
    try:
        async with asyncio.timeout(_PARSE_TIMEOUT.total_seconds()):
            return await reading
    except TimeoutError:
        raise parse.ParseError(f"reading it took longer than {_PARSE_TIMEOUT.total_seconds():g} seconds") from None


async def _discovered(page: fetch.Document, fetcher: Fetcher) -> Read | None:
    """The first feed the page names that can be read."""
    urls = discover.read(page.body, url=page.url, content_type=page.content_type)
    for url in [url for url in urls if url != page.url][:_FEEDS_TRIED]:
        place = Place(url)
        document = await _fetched(place, fetcher)
        with contextlib.suppress(parse.ParseError):
            if isinstance(document, fetch.Document):
                return await _read(place, document, fetcher)
    return None


def is_file(url: str) -> bool:
    return url.startswith("file:")


def file_path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
