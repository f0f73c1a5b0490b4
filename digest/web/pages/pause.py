"""A pause until a date the reader picks, and its end before that."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from starlette.requests import Request
from starlette.responses import Response

from digest import zones
from digest.audience import preferences, trail
from digest.web import forms, visits
from digest.web.pages import undo

WEEKS = (2, 4, 8)
# Whoever wants silence for longer is better served by leaving, and a slip of a digit is not a lifetime.
LONGEST = timedelta(days=366)


async def show(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    return visit.refusal() or _form(visit)


async def act(request: Request) -> Response:
    form = await forms.read(request)
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        if refusal := visit.refusal():
            return refusal
        day = wished_day(form, _today(visit))
        if day is None:
            return _form(visit, status=400, mistake=True)
        visit = await undo.bring_back(connection, visit)
        found, until = visit.standing, _begins(visit, day)
        tell = found.spec.settings_changed
        await preferences.pause(connection, found.subscription, until, door=trail.Door.PAGE, now=visit.now, tell=tell)
    return await _changed(request)


async def show_resume(request: Request) -> Response:
    visit = await visits.look(request)
    if visit is None:
        return visits.lost(request)
    return visit.refusal() or visit.page("resume.html")


async def resume(request: Request) -> Response:
    await forms.read(request)
    async with visits.change(request) as (connection, visit):
        if visit is None:
            return visits.lost(request)
        if refusal := visit.refusal():
            return refusal
        visit = await undo.bring_back(connection, visit)
        await preferences.resume(connection, visit.standing.subscription, door=trail.Door.PAGE, now=visit.now)
    return await _changed(request)


def wished_day(form: Mapping[str, str], today: date) -> date | None:
    """The first day with mail again, None when the form names none we can keep."""
    # Whoever fills in a day means it, though the button before "2 weeks" is still the one pressed.
    until = form.get("until", "")
    for weeks in WEEKS:
        if form.get("for") == str(weeks) and not until:
            return today + timedelta(weeks=weeks)
    try:
        day = date.fromisoformat(until)
    except ValueError:
        return None
    return day if today < day <= today + LONGEST else None


def _today(visit: visits.Visit) -> date:
    return visit.now.astimezone(zones.get(visit.standing.choice.timezone)).date()


def _begins(visit: visits.Visit, day: date) -> datetime:
    """The reader's own midnight. In a gap the first instant after it; neither loses a mail of that day."""
    return datetime.combine(day, time(), zones.get(visit.standing.choice.timezone)).astimezone(UTC)


def _form(visit: visits.Visit, *, status: int = 200, mistake: bool = False) -> Response:
    today = _today(visit)
    days = {weeks: today + timedelta(weeks=weeks) for weeks in WEEKS}
    limits = {"earliest": today + timedelta(days=1), "latest": today + LONGEST}
    return visit.page("pause.html", status=status, mistake=mistake, days=days, **limits)


async def _changed(request: Request) -> Response:
    after = await visits.look(request)
    if after is None:
        return visits.lost(request)
    return after.page("left.html" if after.has_left else "changed.html")
