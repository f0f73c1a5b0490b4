"""A visit by the link to all settings: who came, and all they have from us. It opens more than a mail's own links do.

Finds the Subscriptions behind a manage token and shows pages about them; leaves no rows itself.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from digest import links
from digest.audience import address_changes, models, standing, undoing
from digest.web import mails, render, visits
from digest.web.parts import Parts

State = models.SubscriptionState
# As the mail with the link says; see outbox.writer.
MAX_AGE = timedelta(hours=24)
# Whose link has expired may have another mailed: who they are is still beyond doubt.
EVER = timedelta(days=365 * 100)


@dataclass(frozen=True)
class Visit:
    """A link to all settings that still holds. `here` is the Subscription whose mail it came by."""

    parts: Parts
    text: str
    token: links.ConfirmToken
    here: standing.Standing
    all: tuple[standing.Standing, ...]
    undoable: frozenset[int]
    # The address they want to move to, if they wait for that.
    moving: Any
    # By Subscription; only where the page is shown.
    mails: Mapping[int, mails.Mails | None]
    now: datetime

    @property
    def root(self) -> str:
        return visits.root(self.parts, self.here)

    @cached_property
    def by_slug(self) -> dict[str, standing.Standing]:
        return {one.spec.slug: one for one in self.all}

    @property
    def zone(self) -> str:
        """Where this person is: the zone of this Subscription, or of another if this one comes as it happens."""
        timed = [one.choice.timezone for one in (self.here, *self.all) if one.choice.frequency != "instant"]
        return timed[0] if timed else ""

    @property
    def reading(self) -> standing.Standing | None:
        """A Subscription that mails come of, this one before others."""
        return next((one for one in (self.here, *self.all) if one.state in (State.ACTIVE, State.FAILING)), None)

    def page(self, name: str, *, status: int = 200, **context: Any) -> Response:
        words: dict[str, Any] = {"visit": self, "root": self.root, "token": self.text, "reader": self.here.email}
        return render.page(name, self.here.spec, status=status, locale=self.here.subscription.locale, **words | context)


def read_token(request: Request) -> links.ConfirmToken | None:
    """The token, however old it is."""
    parts = visits.parts(request)
    return parts.signer.read_manage_token(request.path_params["token"], parts.clock(), EVER)


async def look(request: Request) -> Visit | Response:
    """A visit that only reads, or the page that says why there is none."""
    async with visits.parts(request).db.reading() as connection:
        return await _find(request, connection, lock=False)


@asynccontextmanager
async def change(request: Request) -> AsyncIterator[tuple[AsyncConnection, Visit | Response]]:
    """A visit that may change something, in a transaction of its own."""
    if read_token(request) is None:
        # Strays and forgeries never get near the write lock.
        async with visits.parts(request).db.reading() as connection:
            yield connection, visits.lost(request)
        return
    async with visits.parts(request).db.transaction() as connection:
        yield connection, await _find(request, connection, lock=True)


async def _find(request: Request, connection: AsyncConnection, *, lock: bool) -> Visit | Response:
    token, parts = read_token(request), visits.parts(request)
    found = token and await standing.find(connection, token.subscription_id)
    if not token or not found:
        return visits.lost(request)
    # Locked before it is judged: whoever moved, left or was erased may have done so this very moment.
    everything = await standing.find_all(connection, found.subscription.subscriber_id, lock=lock)
    here = next((one for one in everything if one.subscription.id == token.subscription_id), None)
    if here is None:
        return visits.lost(request)
    now, text = parts.clock(), request.path_params["token"]
    if await _is_over(connection, token, here, now):
        return _expired(parts, here, token, text)
    undoable = [one.subscription.id for one in everything if await _is_undoable(connection, one, now)]
    moving = await address_changes.find(connection, here.subscription.subscriber_id, now)
    told = {} if lock else {one.subscription.id: await mails.of(connection, parts, one, now) for one in everything}
    return Visit(parts, text, token, here, tuple(everything), frozenset(undoable), moving, told, now)


async def _is_over(
    connection: AsyncConnection, token: links.ConfirmToken, here: standing.Standing, now: datetime
) -> bool:
    if now - token.asked_at > MAX_AGE or token.generation != here.subscription.generation:
        return True
    return await address_changes.has_moved(connection, token.subscription_id, token.asked_at)


async def _is_undoable(connection: AsyncConnection, one: standing.Standing, now: datetime) -> bool:
    return await undoing.find(connection, one.subscription.id, now) is not None


def may_order(found: standing.Standing, generation: int) -> bool:
    """Whether a link of that generation may have the link to all settings mailed to its reader.

    A link from before they left and came back is nobody's. Who has left has no newer one, though, whoever may have
    typed in their address since.
    """
    if found.subscription.left_at is not None:
        return True
    return generation == found.subscription.generation and found.state is not State.PENDING


def _expired(parts: Parts, here: standing.Standing, token: links.ConfirmToken, text: str) -> Response:
    words: dict[str, Any] = {"root": visits.root(parts, here), "token": text, "reader": visits.masked(here.email)}
    may_renew = may_order(here, token.generation)
    locale = here.subscription.locale
    return render.page("expired.html", here.spec, status=410, locale=locale, may_renew=may_renew, **words)
