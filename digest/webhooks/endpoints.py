"""Endpoints as their operator handles them: new, list, remove, another secret, a trial, once more.

Leaves Endpoint rows, and Announcements for a trial. A secret is shown once, when it is made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors, publications, urls
from digest.announcements import WANTABLE, Announcement, Endpoint, Event
from digest.webhooks import sign

# For so long both secrets sign, and the receiver may change its own.
OVERLAP = timedelta(days=1)
MAX_URL = 1000


class WebhookError(errors.DigestError):
    """There is no such endpoint, or it cannot be one."""


@dataclass(frozen=True, slots=True)
class Wish:
    """`publication` None hears of all; no `events` are all."""

    url: str
    publication: str | None = None
    events: tuple[str, ...] = ()


async def add(connection: AsyncConnection, seal: sign.Seal, wish: Wish, now: datetime) -> tuple[int, str]:
    """The number of a new Endpoint, and its secret. Raises WebhookError or PublicationError."""
    values = {
        "publication_id": (await publications.get(connection, wish.publication)).id if wish.publication else None,
        "url": checked(wish.url),
        "events": _events(wish.events),
        "created_at": now,
    }
    secret = sign.new_secret()
    new = sa.insert(Endpoint).values(**values, secret=seal.close(secret)).returning(Endpoint.id)
    return int((await connection.execute(new)).scalar_one()), secret


def checked(url: str) -> str:
    """The URL as it will be asked. Raises WebhookError."""
    text = url.strip()
    try:
        parts = urlsplit(text)
        # By whoever posts to it as well: what it refuses later would be tried each minute for ever.
        is_whole = parts.port != 0 and bool(parts.hostname) and bool(httpx.URL(text).host)
    except (ValueError, httpx.InvalidURL):
        is_whole = False
    if not is_whole or not text.isascii() or not text.isprintable() or " " in text or len(text) > MAX_URL:
        raise WebhookError(f"'{text[:80]}' is no web address; write it like https://example.org/hooks/digest")
    if parts.username or parts.password or parts.fragment:
        raise WebhookError("the address must have no password and no fragment: it is shown in lists and logs")
    if parts.scheme != "https" and not (parts.scheme == "http" and urls.is_loopback(text)):
        raise WebhookError(f"'{text}' must begin with https://, for it is told addresses of readers")
    return text


def _events(names: Sequence[str]) -> list[str]:
    known = [event.value for event in WANTABLE]
    for name in names:
        if name not in known:
            raise WebhookError(f"there is no event '{name}'; there are {', '.join(known)}")
    return sorted(set(names)) or known


async def listing(connection: AsyncConnection) -> Sequence[sa.Row[Any]]:
    """Endpoints with their Publication's slug, how much waits for each, and the last trouble."""
    row, publication = Announcement, publications.Publication
    waiting = sa.select(sa.func.count()).where(row.endpoint_id == Endpoint.id, row.ended_at.is_(None))
    trouble = (
        sa.select(row.trouble)
        .where(row.endpoint_id == Endpoint.id, row.ended_at.is_(None), row.trouble.is_not(None))
        .order_by(row.due_at)
        .limit(1)
    )
    statement = (
        sa.select(
            Endpoint,
            publication.slug.label("publication"),
            waiting.scalar_subquery().label("waiting"),
            trouble.scalar_subquery().label("trouble"),
        )
        .outerjoin(publication, publication.id == Endpoint.publication_id)
        .order_by(Endpoint.id)
    )
    return (await connection.execute(statement)).all()


async def get(connection: AsyncConnection, endpoint_id: int) -> sa.Row[Any]:
    """Raises WebhookError."""
    found = (await connection.execute(sa.select(Endpoint).where(Endpoint.id == endpoint_id))).one_or_none()
    if found is None:
        raise WebhookError(f"there is no endpoint {endpoint_id}; see: digest webhooks list")
    return found


async def remove(connection: AsyncConnection, endpoint_id: int) -> None:
    await get(connection, endpoint_id)
    await connection.execute(sa.delete(Announcement).where(Announcement.endpoint_id == endpoint_id))
    await connection.execute(sa.delete(Endpoint).where(Endpoint.id == endpoint_id))


async def rotate(connection: AsyncConnection, seal: sign.Seal, endpoint_id: int, now: datetime) -> str:
    """A new secret; for a day the old one signs beside it."""
    found, secret = await get(connection, endpoint_id), sign.new_secret()
    values = {"secret": seal.close(secret), "old_secret": found.secret, "old_until": now + OVERLAP}
    await connection.execute(sa.update(Endpoint).where(Endpoint.id == endpoint_id).values(values))
    return secret


async def trial(connection: AsyncConnection, endpoint_id: int, now: datetime) -> int:
    """Order a `ping`; its number."""
    await get(connection, endpoint_id)
    values = {"endpoint_id": endpoint_id, "event": Event.PING, "at": now, "due_at": now, "facts": {"hello": "digest"}}
    new = sa.insert(Announcement).values(values).returning(Announcement.id)
    return int((await connection.execute(new)).scalar_one())


async def retry(connection: AsyncConnection, endpoint_id: int, now: datetime) -> int:
    """Go on with a stopped Endpoint: what waits is due now, and so is what was given up. How much that is."""
    await get(connection, endpoint_id)
    values: dict[str, Any] = {"stopped_at": None, "stopped_reason": None, "rests_until": None}
    await connection.execute(sa.update(Endpoint).where(Endpoint.id == endpoint_id).values(values))
    untold = sa.and_(Announcement.endpoint_id == endpoint_id, Announcement.is_told.is_(False))
    again = sa.update(Announcement).where(untold).values(ended_at=None, due_at=now, tries=0)
    return (await connection.execute(again)).rowcount


async def announcement(connection: AsyncConnection, id_: int) -> sa.Row[Any]:
    return (await connection.execute(sa.select(Announcement).where(Announcement.id == id_))).one()


async def newest(connection: AsyncConnection, endpoint_id: int, limit: int) -> Sequence[sa.Row[Any]]:
    """The newest Announcements of an Endpoint, told or not."""
    await get(connection, endpoint_id)
    newest = sa.select(Announcement).where(Announcement.endpoint_id == endpoint_id).order_by(Announcement.id.desc())
    return (await connection.execute(newest.limit(limit))).all()
