"""The public archive of a Publication: its dates, and for each date what was new, for whoever comes by.

Nothing here is about a reader, and every date has one address for good. A Publication that keeps no archive has no
page here, as if there were none.
"""

import itertools
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from digest import publications
from digest.archive import pages
from digest.articles.pictures import rows as pictures
from digest.editions import choose, outline
from digest.web import offers, public, visits

# Dates of the frequency offered first, and of each of the others, where all are shown.
FIRST, FEW = 8, 3
# Dates on a page of one frequency, and Articles on one of a date: some 30 KB at most.
MANY, STORIES = 40, 40
# What a preview shows beside the title: one line or two.
DESCRIBED = 3


@dataclass(frozen=True, slots=True)
class Section:
    """Articles under one Topic; no name is the general heading."""

    name: str
    stories: tuple[outline.Story, ...]


@dataclass(frozen=True)
class Archive:
    """That of one Publication."""

    id: int
    spec: publications.Spec
    applied_at: datetime
    base: str

    @property
    def root(self) -> str:
        return urlsplit(self.base).path.rstrip("/")

    def page(self, name: str, *, status: int = 200, **context: Any) -> public.Made:
        words: dict[str, Any] = {"found": self, "root": self.root, "robots": public.robots(self.spec)}
        words["pictures"] = self.base + pictures.PATH
        return public.page(name, self.spec, status=status, **(words | context))


Make = Callable[[Request, AsyncConnection, Archive], Awaitable[public.Made]]


def door(make: Make) -> Callable[[Request], Awaitable[Response]]:
    """A page of an archive, made at most once every few seconds. Raises HTTPException 404 where there is no archive."""

    async def show(request: Request) -> Response:
        found = await offers.find(request)
        if not found.spec.has_archive or request.path_params.get("frequency") not in (None, *publications.FREQUENCIES):
            raise HTTPException(404)
        base = found.spec.base_url or visits.parts(request).base_url.rstrip("/")
        key = (request.scope["path"], _asked(request), _before(request), found.mark)

        async def fresh() -> public.Made:
            async with visits.parts(request).db.reading() as connection:
                return await make(request, connection, Archive(found.id, found.spec, found.applied_at, base))

        return public.answer(request, found.spec, await request.app.state.archive.get(key, fresh))

    return show


@door
async def show(_request: Request, connection: AsyncConnection, found: Archive) -> public.Made:
    """The newest dates of each frequency."""
    newest = {
        frequency: await pages.newest(connection, found.id, frequency, at_most=FIRST + 1)
        for frequency in _frequencies(found.spec)
    }
    leads = await pages.leads(connection, [page for each in newest.values() for page in each])
    offered = [offer.frequency for offer in found.spec.frequencies]
    return found.page("archive/index.html", newest=newest, leads=leads, many=FIRST, few=FEW, feeds=offered)


def _frequencies(spec: publications.Spec) -> list[str]:
    """Those on offer first, in their order; there may be dates of others, from before."""
    return list(dict.fromkeys((*(offer.frequency for offer in spec.frequencies), *publications.FREQUENCIES)))


@door
async def show_dates(request: Request, connection: AsyncConnection, found: Archive) -> public.Made:
    """The dates of one frequency, by so many a page."""
    frequency, before = request.path_params["frequency"], _before(request)
    listed = await pages.newest(connection, found.id, frequency, at_most=MANY + 1, before=before)
    context: dict[str, Any] = {
        "frequency": frequency,
        "listed": listed[:MANY],
        "has_older": len(listed) > MANY,
        "before": before,
        "leads": await pages.leads(connection, listed[:MANY]),
    }
    return found.page("archive/dates.html", **context)


@door
async def show_page(request: Request, connection: AsyncConnection, found: Archive) -> public.Made:
    """What was new on one date."""
    frequency, day = request.path_params["frequency"], _day(request.path_params["date"])
    page = await pages.find(connection, found.id, frequency, day) if day else None
    if page is None:
        return found.page("archive/none.html", status=404, frequency=frequency)
    order = await pages.order(connection, found.spec, page)
    last = max((len(order) - 1) // STORIES + 1, 1)
    number = min(_asked(request), last)
    picks = order[(number - 1) * STORIES : number * STORIES]
    stories = await pages.stories(connection, picks, found.base)
    if not stories:
        return found.page("archive/gone.html", status=410, frequency=frequency)
    older, newer = await pages.neighbours(connection, page)
    context: dict[str, Any] = {"frequency": frequency, "page": page, "older": older, "newer": newer}
    context |= {"number": number, "last": last, "count": len(order)}
    return found.page("archive/page.html", **context, **_told(found, picks, stories, number))


def _told(found: Archive, picks: pages.Order, stories: dict[int, outline.Story], number: int) -> dict[str, Any]:
    names = {topic.slug: topic.name for topic in found.spec.topics}
    known = [pick for pick in picks if pick.article_id in stories]
    lead = stories[known[0].article_id] if number == 1 else None
    sections = [
        Section(names.get(slug or "", ""), tuple(stories[pick.article_id] for pick in group))
        for slug, group in itertools.groupby(known[1 if lead else 0 :], _topic)
    ]
    first = [stories[pick.article_id] for pick in known]
    return {
        "lead": lead,
        "kicker": names.get(known[0].topic or "", ""),
        "sections": sections,
        "titles": [story.title for story in first[:DESCRIBED]],
        "preview": next((story for story in first if story.image_url), None),
    }


def _topic(pick: choose.Pick) -> str | None:
    return pick.topic


def _day(text: str) -> date | None:
    """Only as our own links spell it: each date has one address."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _before(request: Request) -> date | None:
    return _day(request.query_params.get("before", ""))


def _asked(request: Request) -> int:
    """The page of a date that has several."""
    text = request.query_params.get("page", "")
    return max(int(text), 1) if text.isascii() and text.isdigit() and len(text) < 9 else 1
