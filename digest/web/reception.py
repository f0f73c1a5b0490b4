"""The one door behind all forms: takes a wish, says what is wrong with it, or leaves it to the pass.

The work is the same for every address, so the answer's words and delay tell nobody who is a reader.
"""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from digest.audience import entrance, preferences
from digest.web import offers, origins, visits, wishes

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was asked for; `first_at` in the reader's zone."""

    choice: preferences.Choice
    first_at: datetime | None


async def receive(
    request: Request,
    found: offers.Found,
    wish: wishes.Wish,
    *,
    words: str = "",
    place: str = "",
    is_robot: bool = False,
) -> Receipt | wishes.Mistakes | None:
    """None when too many came from there. `words` are those beside the button, if they are ours, `place` the page the
    form stands on. Robots are told the same and forgotten.
    """
    parts = visits.parts(request)
    wanted = wishes.check(wish, found.spec, parts.sign_up.policy, publication_id=found.id)
    if isinstance(wanted, wishes.Mistakes):
        return wanted
    now = parts.clock()
    if is_robot:
        return receipt(found, wanted.choice, now)
    form = entrance.Form(wanted, origins.of(request, parts.hasher), place, words)

    async def enter(connection: AsyncConnection) -> bool:
        async with connection.begin_nested() as own:
            is_in = await entrance.enter(connection, parts.hasher, form, parts.sign_up.rules, now)
            if not is_in:
                # One network that is full uses up nothing of what is there for all.
                await own.rollback()
        return is_in

    return receipt(found, wanted.choice, now) if await parts.clerk.run(enter) else None


def receipt(found: offers.Found, choice: preferences.Choice, now: datetime) -> Receipt:
    return Receipt(choice, offers.first_at(found.spec, choice, now))


def page_of(request: Request) -> str:
    """The page the form stands on: the browser's word, without what may follow a question mark."""
    return web_page(request.headers.get("referer", ""))


def web_page(address: str) -> str:
    """Of the address of a page that may be kept: no query, no names, nothing that is no web page."""
    if not address.isprintable():
        return ""
    try:
        place = urlsplit(address)
    except ValueError:
        return ""
    if place.scheme not in ("http", "https") or not place.hostname:
        return ""
    return f"{place.scheme}://{place.netloc.rpartition('@')[2]}{place.path}"[:MAX_PAGE]
