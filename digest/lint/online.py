"""Whether the links of a mail lead anywhere. Asks their servers, and so is done on request only.

Asks with HEAD, as a reader's program might, follows redirects, and waits for nobody long. It acts for whoever calls the
verb and reaches what that person reaches.
"""

import asyncio
from collections.abc import Iterable

import httpx

from digest.lint import letter as letters, page as pages
from digest.lint.finding import Finding, error, warning

SECONDS = 10
AT_ONCE = 8


async def check(content: bytes) -> list[Finding]:
    html = letters.read(content).part("html")
    if html is None:
        return []
    page = pages.Page(html.text)
    found = {str(anchor.get("href")): pages.place(anchor) for anchor in page.all("a")}
    found |= {str(image.get("src")): pages.place(image) for image in page.all("img")}
    return await _asked((where, address) for address, where in found.items() if address.startswith("http"))


async def _asked(wanted: Iterable[tuple[str, str]]) -> list[Finding]:
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx.AsyncClient(timeout=SECONDS, follow_redirects=True, trust_env=False) as client:
        answers = await asyncio.gather(*(_one(client, gate, where, address) for where, address in wanted))
    return [answer for answer in answers if answer]


async def _one(client: httpx.AsyncClient, gate: asyncio.Semaphore, where: str, address: str) -> Finding | None:
    async with gate:
        try:
            answer = await client.head(address)
            if answer.status_code in (405, 501):
                # Some know no HEAD. What comes is closed before it is read.
                async with client.stream("GET", address) as streamed:
                    answer = streamed
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            return error("dead-link", where, f"{address} cannot be reached: {type(problem).__name__}", "correct it")
    if answer.status_code in (404, 410):
        return error("dead-link", where, f"{address} answers {answer.status_code}", "correct it")
    if answer.status_code >= 400:
        return warning("odd-link", where, f"{address} answers {answer.status_code}", "look at it in a browser")
    return None
