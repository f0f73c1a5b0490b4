"""Feeds (RFC 4287): the archive's for everybody, and each reader's own digests behind a signed link.

A feed of the archive has an entry for each date. A reader's own is what they were sent, with the links their mails had,
so its address is a secret of theirs: it can be followed, and revoked by whatever revokes the links of old mails.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest import links, places, publications
from digest.archive import own, pages
from digest.audience import models as audience, standing
from digest.editions import tidy
from digest.web import public, render, visits
from digest.web.pages import archive

TYPE = "application/atom+xml; charset=utf-8"
ENTRIES = 20
# What a reader program shows below a title before one opens it.
SUMMED_UP = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """`id` never changes; `more` is how many Articles there are beyond those named."""

    id: str
    url: str
    title: str
    at: datetime
    leads: tuple[pages.Lead, ...]
    more: int = 0

    @property
    def summary(self) -> str:
        return " · ".join(lead.title for lead in self.leads[:SUMMED_UP])


def own_url(signer: links.Signer, base: str, subscription_id: int, generation: int) -> str:
    """Where a reader's own feed is. For as long as the generation lasts, this never changes."""
    return f"{base}/feed/{signer.feed_token(subscription_id, generation)}"


@archive.door
async def show(request: Request, connection: AsyncConnection, found: archive.Archive) -> public.Made:
    """The newest dates of one frequency."""
    spec, frequency, say = found.spec, request.path_params["frequency"], render.voice(found.spec.locale)
    listed = await pages.newest(connection, found.id, frequency, at_most=ENTRIES)
    leads = await pages.leads(connection, listed)
    changed_at = await pages.changed_at(connection, listed)
    entries = [
        Entry(url, url, f"{say.day(page.date)}: {leads[page.id][0].title}", page.due_at, tuple(leads[page.id]))
        for page in listed
        if leads[page.id]
        for url in [places.archive_page(found.base, spec.slug, frequency, page.date)]
    ]
    address = places.archive_feed(found.base, spec.slug, frequency)
    home = places.archive_dates(found.base, spec.slug, frequency)
    text = _feed(spec, spec.locale, entries, address=address, id_=address, home=home, since=found.applied_at)
    modified = max([found.applied_at, *(page.due_at for page in listed), *changed_at])
    return public.Made(text, TYPE, modified=modified)


async def show_own(request: Request) -> Response:
    """What one reader was sent. Nobody but them is to keep it, and their program asks again and again."""
    parts = visits.parts(request)
    token = parts.signer.read_feed_token(request.path_params["token"])
    async with parts.db.reading() as connection:
        reader = await standing.find(connection, token.subscription_id) if token else None
        if token is None or reader is None:
            raise HTTPException(404)
        row = reader.subscription
        if row.generation != token.generation or reader.state is audience.SubscriptionState.UNSUBSCRIBED:
            raise HTTPException(410)
        sent = await own.sent(connection, row)
    base = reader.spec.base_url or parts.base_url.rstrip("/")
    entries = [_own_entry(parts.signer, base, reader, one) for one in sent]
    address = own_url(parts.signer, base, row.id, row.generation)
    named = _name(f"{base}/subscriptions/{row.id}")
    text = _feed(reader.spec, row.locale, entries, address=address, id_=named, since=row.confirmed_at or row.created_at)
    return _private(request, text)


def _own_entry(signer: links.Signer, base: str, reader: standing.Standing, one: own.Sent) -> Entry:
    row = reader.subscription
    title = one.leads[0].title if one.leads else tidy.line(reader.spec.name)
    token = signer.mail_token(row.id, row.generation, one.delivery_id)
    # Named after the mail and not by its link, which is a secret and may be signed anew.
    id_ = _name(f"{base}/mails/{one.delivery_id}")
    return Entry(id_, f"{base}/mail/{token}", title, one.at, one.leads, one.count - len(one.leads))


def _name(address: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_URL, address).urn


def _feed(
    spec: publications.Spec, locale: str | None, entries: Sequence[Entry], *, since: datetime, **addresses: str
) -> str:
    """Without an entry, it is as old as what it is about."""
    updated = max((entry.at for entry in entries), default=since)
    words = {"home": "", "entries": entries, "updated": updated} | addresses
    return render.text("atom.xml", spec, locale, **words)


def _private(request: Request, text: str) -> Response:
    """Not to be kept by anybody, as the guard says of all that is not public; but who has it need not load it again."""
    tag = public.tag_of(text)
    if public.is_known(request, tag, None):
        return Response(status_code=304, headers={"ETag": tag})
    return Response(text, headers={"ETag": tag}, media_type=TYPE)
