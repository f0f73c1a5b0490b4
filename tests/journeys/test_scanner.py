"""Security scanners open every link of a mail, many times, in every way, with a real browser too: nothing changes.

They cannot be told from readers, and they come before them. So no link may do anything by being opened.
"""

import asyncio
import email
import email.policy
import itertools
import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser

from tests.support import browsing, cast, house as houses
from tests.support.house import House
from tests.support.world import Mail

pytestmark = pytest.mark.anyio
# Of each link, in all ways together. A thousand take some minutes: DIGEST_TEST_OPENINGS=1000.
OPENINGS = int(os.environ.get("DIGEST_TEST_OPENINGS", "100"))
AT_ONCE = 16
METHODS = ("GET", "HEAD", "OPTIONS")
# As they were seen to ask: the link itself, with a slash, with a mark of their own.
SPELLINGS = ("", "/", "?scanned=1")
AGENTS = (
    {"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Safe Links", "Accept": "text/html"},
    {"User-Agent": "Barracuda", "Range": "bytes=0-1023"},
    {"User-Agent": "python", "If-None-Match": "*", "Cookie": "a=b", "Origin": "https://elsewhere.example"},
    {"User-Agent": "GoogleImageProxy", "Sec-Purpose": "prefetch", "X-HTTP-Method-Override": "POST"},
)


@pytest.fixture
async def house(db_url: str, tmp_path: Path, now: datetime, anyio_backend: str) -> AsyncIterator[House]:
    async with houses.opened(db_url, tmp_path, now, archive="listed") as made:
        yield made


def links(mail: Mail, site: str) -> list[str]:
    """Every address of ours in a mail: in its HTML, in its text, and in its header."""
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    html, text = (message.get_body((kind,)) for kind in ("html", "plain"))
    assert html is not None
    assert text is not None
    found = re.findall(r'(?:href|src|action)="([^"]+)"', html.get_content())
    found += re.findall(r"https://[^\s<>]+", text.get_content())
    found += re.findall(r"<(https://[^>]+)>", " ".join(map(str, message.values())))
    return sorted({one.replace("&amp;", "&") for one in found if one.startswith(site)})


async def mails(house: House) -> list[Mail]:
    """One of each kind: to confirm, to welcome, a digest."""
    await house.world.publish("walking", "heart")
    await house.world.release()
    async with httpx.AsyncClient(base_url=house.url, verify=False, trust_env=False) as client:
        form = {"email": "bea@example.org", "frequency": "daily"}
        assert (await client.post("/subscribe/mias-feed", data=form)).status_code == 200
        confirm = await house.mail("confirm", seconds=2)
        answer = await client.post(house.links(confirm)["confirm"], data={"page": "x"})
        assert answer.status_code == 200
    welcome = await house.mail("Welcome", seconds=2)
    await house.world.publish("beating", "heart")
    digest = await house.mail("beating", days=1, hours=1)
    return [confirm, welcome, digest]


async def opened(url: str, client: httpx.AsyncClient) -> Counter[int]:
    """Many times, by many at once; how often which answer came."""
    ways = itertools.cycle(itertools.product(METHODS, SPELLINGS, AGENTS))
    todo = iter([next(ways) for _ in range(OPENINGS)])
    seen: Counter[int] = Counter()

    async def scan() -> None:
        for method, spelling, headers in todo:
            answer = await client.request(method, url + spelling, headers=headers)
            assert "set-cookie" not in answer.headers
            seen[answer.status_code] += 1

    await asyncio.gather(*(scan() for _ in range(AT_ONCE)))
    return seen


async def test_however_often_every_link_is_opened_nothing_changes(house: House) -> None:
    every = sorted({url for mail in await mails(house) for url in links(mail, house.url)})
    kinds = {url.removeprefix(house.url).split("/")[1] for url in every}
    assert kinds >= {"unsubscribe", "less", "pause", "topics", "mail", "confirm", "settings"}, kinds
    before = await cast.everything(house.world.parts.db)
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=30) as client:
        answers = {url.removeprefix(house.url): await opened(url, client) for url in every}
    assert {path: seen for path, seen in answers.items() if max(seen) >= 500 or sum(seen.values()) != OPENINGS} == {}
    assert await cast.everything(house.world.parts.db) == before


async def test_a_browser_that_runs_scripts_changes_nothing_by_looking(house: House) -> None:
    every = sorted({url for mail in await mails(house) for url in links(mail, house.url)})
    before = await cast.everything(house.world.parts.db)
    async with browsing.started() as browser:
        for window in (browsing.DESKTOP, browsing.PHONE):
            await look_at(browser, house.url, every, window)
    assert await cast.everything(house.world.parts.db) == before


async def look_at(browser: Browser, site: str, every: list[str], window: browsing.Window) -> None:
    """Each page, everything on it hovered over, focused and scrolled to; what is not a button cannot act."""
    async with browsing.visiting(browser, site, window) as scanner:
        for url in every:
            await scanner.open(url)
            await scanner.page.mouse.wheel(0, 5000)
            await scanner.page.evaluate(
                "document.querySelectorAll('a, button, input').forEach(one => {"
                "one.focus(); one.dispatchEvent(new MouseEvent('mouseover', {bubbles: true})) })"
            )
            await scanner.page.wait_for_load_state("networkidle")


async def test_the_links_that_were_scanned_still_work(house: House) -> None:
    """And a scanner that opened them is not taken for their reader, who can leave afterwards."""
    digest = (await mails(house))[-1]
    async with httpx.AsyncClient(verify=False, trust_env=False, timeout=30) as client:
        url = house.links(digest)["unsubscribe"]
        await opened(url, client)
        assert (await client.post(url, data={"List-Unsubscribe": "One-Click"})).status_code == 200
    assert (await house.world.subscription("bea@example.org")).state.value == "unsubscribed"
