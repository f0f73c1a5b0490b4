"""One guarded POST: to an address that was checked, without redirects, and with little patience. Leaves no rows.

What servers do daily is a value. The guard is the one of feeds: an Endpoint must not be a way to write into our own
network, unless the operator allows that host.
"""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import httpx

from digest.articles import answers, fetch, guard

# The specification's 15 to 30 seconds, for a program that does the work before it answers.
SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Taken:
    """2xx: it is the receiver's now."""


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the receiver wants nothing more, ever."""


@dataclass(frozen=True, slots=True)
class Failed:
    """Not this time, with the reason in plain words."""

    reason: str
    retry_after: timedelta | None = None


Result = Taken | Gone | Failed


@dataclass(frozen=True, slots=True)
class Way:
    """How we go out: as whom, and where to although it is private."""

    user_agent: str
    allow_hosts: frozenset[str] = frozenset()
    resolve: guard.Resolver = guard.system_resolver


async def post(url: str, body: bytes, headers: dict[str, str], way: Way) -> Result:
    try:
        async with asyncio.timeout(SECONDS):
            return await _posted(httpx.URL(url), body, headers, way)
    except TimeoutError:
        return Failed(f"no answer within {SECONDS:g} seconds")
    except guard.Closed as error:
        return Failed(str(error).replace("allowed for feeds", "allowed (webhooks.allow_hosts)"))
    except httpx.HTTPError as error:
        return Failed(answers.trouble(error, httpx.URL(url).host))


async def _posted(url: httpx.URL, body: bytes, headers: dict[str, str], way: Way) -> Result:
    host = url.raw_host.decode("ascii")
    [address, *_] = await guard.addresses(host, resolve=way.resolve, allow_hosts=way.allow_hosts)
    given = {"User-Agent": way.user_agent, "Content-Type": "application/json", **headers}
    # No proxy and no .netrc: the socket goes to the address checked, under the host's own name and certificate.
    async with httpx.AsyncClient(trust_env=False, verify=fetch.tls(), timeout=SECONDS) as client:
        request = client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers=given | {"Host": url.netloc.decode("ascii")},
            extensions={"sni_hostname": host},
        )
        answer = await client.send(request, stream=True, follow_redirects=False)
        try:
            return _judged(answer)
        finally:
            # Whatever it says at length is not listened to.
            await answer.aclose()


def _judged(answer: httpx.Response) -> Result:
    if answer.is_success:
        return Taken()
    if answer.status_code == httpx.codes.GONE:
        return Gone()
    if answer.is_redirect:
        return Failed(f"answers {answer.status_code}: redirects are not followed, so give the address they lead to")
    return Failed(answers.meaning(answer.status_code), answers.retry_after(answer.headers))
