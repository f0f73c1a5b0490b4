"""A visit: somebody opened a link of a mail. Who holds it may do what it says, and is told no more than needed.

Finds the Subscription behind a token and shows pages about it; leaves no rows itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest import links, places
from digest.archive import pages as archive
from digest.audience import models, preferences, standing, undoing
from digest.web import render
from digest.web.parts import Parts


@dataclass(frozen=True)
class Visit:
    """A valid link to a Subscription that still is."""

    parts: Parts
    text: str
    token: links.MailToken
    standing: standing.Standing
    now: datetime
    is_undoable: bool

    @property
    def is_current(self) -> bool:
        return bool(self.token.generation == self.standing.subscription.generation)

    @property
    def has_left(self) -> bool:
        return self.standing.state is models.SubscriptionState.UNSUBSCRIBED

    @property
    def is_waited_for(self) -> bool:
        """Whether somebody has signed them up, and nobody has confirmed it yet."""
        return self.standing.state is models.SubscriptionState.PENDING

    @property
    def may_undo(self) -> bool:
        return self.is_undoable and self.is_current

    @property
    def root(self) -> str:
        return root(self.parts, self.standing)

    def page(self, name: str, *, status: int = 200, **context: Any) -> Response:
        found = self.standing
        words: dict[str, Any] = {
            "visit": self,
            "root": self.root,
            "token": self.text,
            "reader": masked(found.email),
            "choice": found.choice,
            "held": [topic.name for topic in found.spec.topics if topic.slug in (found.choice.topics or ())],
            "slower": preferences.slower(found.spec, found.choice.frequency),
            "paused_until": found.subscription.paused_until if found.is_paused(self.now) else None,
        }
        return render.page(name, found.spec, status=status, locale=found.subscription.locale, **(words | context))

    async def gone(self) -> Response:
        """Instead of a mail that is no longer kept: where the same can be read, if everybody may."""
        spec, frequency, day = self.standing.spec, self.standing.choice.frequency, None
        if spec.has_archive:
            async with self.parts.db.reading() as connection:
                publication_id = self.standing.subscription.publication_id
                day = await archive.of_mail(connection, publication_id, frequency, self.token.delivery_id)
        address = places.archive_page(self.root, spec.slug, frequency, day) if day else ""
        index = places.archive(self.root, spec.slug) if spec.has_archive else ""
        return self.page("gone.html", status=410, day=day, address=address, index=index)

    def refusal(self) -> Response | None:
        """Why this link no longer does what it did: its reader left for good, or left and came back since."""
        if self.has_left and not self.may_undo:
            return self.page("left.html")
        return None if self.is_current else self.page("old_link.html", status=410)


def root(parts: Parts, found: standing.Standing) -> str:
    """The path the service is mounted at, as the links in the mails have it."""
    return urlsplit(found.spec.base_url or parts.base_url).path.rstrip("/")


def parts(request: Request) -> Parts:
    found: Parts = request.app.state.parts
    return found


def read_token(request: Request) -> links.MailToken | None:
    return parts(request).signer.read_mail_token(request.path_params["token"])


async def look(request: Request) -> Visit | None:
    """A visit that only reads."""
    async with parts(request).db.glance() as connection:
        return await _find(request, connection, lock=False)


@asynccontextmanager
async def change(request: Request) -> AsyncIterator[tuple[AsyncConnection, Visit | None]]:
    """A visit that may change something, in a transaction of its own."""
    if read_token(request) is None:
        # Strays and forgeries never get near the write lock.
        async with parts(request).db.glance() as connection:
            yield connection, None
        return
    async with parts(request).db.transaction() as connection:
        yield connection, await _find(request, connection, lock=True)


async def _find(request: Request, connection: AsyncConnection, *, lock: bool) -> Visit | None:
    token = read_token(request)
    found = token and await standing.find(connection, token.subscription_id, lock=lock)
    if not token or not found:
        return None
    now = parts(request).clock()
    undoable = await undoing.find(connection, token.subscription_id, now)
    return Visit(parts(request), request.path_params["token"], token, found, now, undoable is not None)


def lost(request: Request) -> Response:
    """For links we never made, or whose reader is forgotten: the two look alike."""
    return render.page("lost.html", status=404, locale=render.tongue(request))


def masked(email: str) -> str:
    """Enough for the reader to know it, too little for whom a mail was forwarded to."""
    local, _, domain = email.rpartition("@")
    return f"{local[:1]}***@{domain}"
