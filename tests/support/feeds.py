"""Feeds as a publisher's system would write them, a Publication to bring them into, and a Fetcher for loopback."""

from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from xml.sax.saxutils import escape

import sqlalchemy as sa

from digest import database, publications
from digest.articles import fetch, models, poll, release, sources
from digest.audience import apply
from tests.support.feedserver import Reply

LIMITS = fetch.Limits(total=timedelta(seconds=5), allow_hosts=frozenset({"127.0.0.1", "localhost"}))
FETCHER = poll.Fetcher(LIMITS)


def an_item(name: str, at: datetime | None = None, **fields: str) -> str:
    """An RSS item; a field given as None is left out."""
    values: dict[str, str | None] = {
        "guid": name,
        "title": f"Title of {name}",
        "link": f"https://feed.example/{name}",
        "description": f"All about {name}.",
        "pubDate": format_datetime(at) if at else None,
    }
    values |= fields
    return "".join(f"<{key}>{escape(value)}</{key}>" for key, value in values.items() if value is not None)


def a_feed(*items: str, title: str = "A feed") -> bytes:
    inside = "".join(f"<item>{item}</item>" for item in items)
    return f"<rss version='2.0'><channel><title>{title}</title>{inside}</channel></rss>".encode()


def answer(*items: str, **headers: str) -> Reply:
    return Reply(body=a_feed(*items), headers={name.replace("_", "-"): value for name, value in headers.items()})


def a_spec(**changes: Any) -> publications.Spec:
    values = {
        "slug": "mias",
        "name": "Mia's Feed",
        "sender_name": "Mia",
        "sender_address": "mia@feed.example",
        "postal_address": "12 Example Street",
        "frequencies": [{"frequency": "daily"}, {"frequency": "weekly"}],
        "topics": [
            {"slug": "heart", "name": "Heart", "categories": ["Cardiology"]},
            {"slug": "food", "name": "Food", "keywords": ["salt"]},
        ],
    }
    return publications.Spec.model_validate(values | changes)


async def a_publication(db: database.Database, now: datetime, *urls: str, **changes: Any) -> Any:
    """The row of a Publication with these Sources."""
    spec = a_spec(sources=[{"url": url} for url in urls], **changes)
    await apply.apply(db, spec, now)
    async with db.reading() as connection:
        return await publications.get(connection, spec.slug)


async def publication(db: database.Database, slug: str = "mias") -> Any:
    async with db.reading() as connection:
        return await publications.get(connection, slug)


async def articles(db: database.Database) -> dict[str, Any]:
    """All Articles by title, in the order they were stored."""
    async with db.reading() as connection:
        rows = await connection.execute(sa.select(models.Article).order_by(models.Article.id))
        return {row.title.removeprefix("Title of "): row for row in rows}


async def positions(db: database.Database) -> list[str]:
    """Names of released Articles in their order, after checking that the order has no gap."""
    released = sorted((row.position, name) for name, row in (await articles(db)).items() if row.position)
    assert [position for position, _ in released] == list(range(1, len(released) + 1))
    return [name for _, name in released]


async def a_source(db: database.Database, name: str = "1") -> Any:
    async with db.reading() as connection:
        return await sources.get(connection, name)


async def bring_in(db: database.Database, now: datetime, fetcher: poll.Fetcher = FETCHER) -> poll.Polled:
    """What a run does about Articles: poll what is due, release what is due."""
    polled = await poll.run(db, fetcher, now)
    await release.run(db, now)
    return polled
