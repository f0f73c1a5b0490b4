"""One polite, guarded GET of a feed or picture. Touches the network and nothing else; what happens daily is a value.

Every hop of a redirect is checked by `guard` and connected to at the address checked. Nothing a server does makes
it raise, take longer than `Limits.total`, or hold more than `Limits.max_bytes` of text.
"""

import asyncio
import functools
import ssl
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from digest.articles import answers, guard, unpack, weblinks

_PERMANENT, _REDIRECTS = {301, 308}, {301, 302, 303, 307, 308}
_ADDRESSES_TRIED = 3  # of one host, before it counts as unreachable
MAX_BYTES = 20_000_000  # unpacked; the largest honest feeds we met have 12 MB


@dataclass(frozen=True, slots=True)
class Limits:
    user_agent: str = "digest"  # "digest/1.0 (+https://news.example.org)": who asks, and where to complain
    max_bytes: int = MAX_BYTES
    total: timedelta = timedelta(seconds=60)  # all hops together, so that a slow-loris server gains nothing
    connect: timedelta = timedelta(seconds=10)
    silence: timedelta = timedelta(seconds=20)
    redirects: int = 5
    allow_hosts: frozenset[str] = frozenset()  # may be private, as written in the URL: "127.0.0.1", "intranet"


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for. With `is_enough`, no more of the body is read than the beginning for which it is true."""

    accept: str
    is_enough: Callable[[bytes], bool] | None = None
    first: int = 0  # bytes asked for, if not all; servers may send all of them nevertheless (RFC 9110 §14.2)

    @property
    def headers(self) -> dict[str, str]:
        if not self.first:
            return {"Accept": self.accept, "Accept-Encoding": "gzip, deflate, br"}
        # A part of something packed could not be unpacked.
        return {"Accept": self.accept, "Accept-Encoding": "identity", "Range": f"bytes=0-{self.first - 1}"}


FEED = Wish(
    "application/atom+xml, application/rss+xml, application/feed+json, application/xml;q=0.9, text/xml;q=0.9, "
    "application/json;q=0.8, text/html;q=0.5, */*;q=0.1"
)


@dataclass(frozen=True, slots=True)
class Document:
    """`moved_to` is set only if every hop was permanent: where to ask from now on."""

    body: bytes
    content_type: str | None
    url: str
    moved_to: str | None = None
    etag: str | None = None
    modified: str | None = None
    retry_after: timedelta | None = None
    total: int = 0  # bytes of all of it, if the server says so; `body` may be the beginning


@dataclass(frozen=True, slots=True)
class Unchanged:
    moved_to: str | None = None
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Gone:
    """410: the publisher says it will not come back."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Not this time, with the reason in plain words. `status` is that of the answer, if there was one."""

    reason: str
    retry_after: timedelta | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True)
class _Moved:
    to: str
    is_permanent: bool


@dataclass(frozen=True, slots=True)
class _Ask:
    url: httpx.URL
    headers: dict[str, str]
    limits: Limits
    wish: Wish

    @property
    def host(self) -> str:
        return self.url.raw_host.decode("ascii")


_NOWHERE = httpx.URL("")
Result = Document | Unchanged | Gone | Refused


async def get(
    url: str,
    *,
    etag: str | None = None,
    modified: str | None = None,
    limits: Limits,
    resolve: guard.Resolver = guard.system_resolver,
    wish: Wish = FEED,
) -> Result:
    headers = {"User-Agent": limits.user_agent, **wish.headers}
    for name, value in (("If-None-Match", etag), ("If-Modified-Since", modified)):
        headers |= {name: value} if value and answers.is_sendable(value) else {}
    try:
        async with asyncio.timeout(limits.total.total_seconds()):
            return await _follow(url, _Ask(_NOWHERE, headers, limits, wish), resolve=resolve)
    except TimeoutError:
        return Refused(f"no complete answer within {limits.total.total_seconds():g} seconds")


async def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> Document | Refused:
    """A feed that lies on this machine."""
    try:
        return await asyncio.to_thread(_file, path, max_bytes)
    except OSError as error:
        return Refused(f"cannot read {path}: {error.strerror}")


def _file(path: Path, max_bytes: int) -> Document | Refused:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):  # a pipe or device could deliver for ever
        return Refused(f"{path} is not a file")
    with path.open("rb") as file:
        body = file.read(max_bytes + 1)
    if len(body) > max_bytes:
        return Refused(f"{path} is larger than {max_bytes} bytes")
    return Document(body, None, path.absolute().as_uri())


async def _follow(url: str, asked: _Ask, *, resolve: guard.Resolver) -> Result:
    visited, is_permanent, limits = [url], True, asked.limits
    while True:
        answer = await _hop(visited[-1], asked, resolve=resolve)
        if not isinstance(answer, _Moved):
            if is_permanent and len(visited) > 1 and isinstance(answer, Document | Unchanged):
                return replace(answer, moved_to=visited[-1])
            return answer
        is_permanent = is_permanent and answer.is_permanent and not answers.is_downgrade(visited[-1], answer.to)
        if answer.to in visited:
            return Refused(f"redirects in a loop: {answers.shown(answer.to)} leads back to itself")
        if len(visited) > limits.redirects:
            return Refused(f"redirects more than {limits.redirects} times")
        visited.append(answer.to)


async def _hop(url: str, asked: _Ask, *, resolve: guard.Resolver) -> Result | _Moved:
    try:
        ask = replace(asked, url=httpx.URL(weblinks.absolute(url, keep_user=True) or ""))
        if not ask.url.host:
            return Refused("the address is no http or https address")
        found = await guard.addresses(ask.host, resolve=resolve, allow_hosts=ask.limits.allow_hosts)
        return await _connected(ask, found[:_ADDRESSES_TRIED])
    except (guard.Closed, unpack.UnpackError) as error:
        return Refused(str(error))
    except (httpx.InvalidURL, UnicodeError):
        return Refused("the address is no http or https address")
    except httpx.HTTPError as error:
        return Refused(answers.trouble(error, urlsplit(url).hostname or "the server"))


async def _connected(ask: _Ask, addresses: list[str]) -> Result | _Moved:
    """Try the addresses in turn; only what fails before a connection stands is tried again."""
    limits = ask.limits
    timeout = httpx.Timeout(limits.silence.total_seconds(), connect=limits.connect.total_seconds())
    # No proxy, no .netrc: they would connect somewhere else, or hand our passwords to a feed.
    async with httpx.AsyncClient(trust_env=False, verify=tls(), timeout=timeout) as client:
        for address in addresses[:-1]:
            try:
                return await _asked(client, ask, address=address)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                continue
        return await _asked(client, ask, address=addresses[-1])


async def _asked(client: httpx.AsyncClient, ask: _Ask, *, address: str) -> Result | _Moved:
    # The socket goes to the address checked; name and certificate stay those of the host asked for.
    request = client.build_request(
        "GET",
        ask.url.copy_with(host=address),
        headers={**ask.headers, "Host": ask.url.netloc.decode("ascii")},
        extensions={"sni_hostname": ask.host},
    )
    answer = await client.send(request, stream=True, follow_redirects=False)
    try:
        return await _judged(answer, ask)
    finally:
        await answer.aclose()


async def _judged(answer: httpx.Response, ask: _Ask) -> Result | _Moved:
    status, wait = answer.status_code, answers.retry_after(answer.headers)
    if status in _REDIRECTS:
        target = weblinks.absolute(answer.headers.get("Location", ""), str(ask.url), keep_user=True)
        return _Moved(target, status in _PERMANENT) if target else Refused("redirects to no web address", status=status)
    if status == 304:
        return Unchanged(retry_after=wait)
    if status == 410:
        return Gone()
    if status not in ((200, 203, 206) if ask.wish.first else (200, 203)):
        return Refused(answers.meaning(status), wait, status)
    return Document(
        body=await _body(answer, ask.limits.max_bytes, ask.wish.is_enough),
        content_type=answer.headers.get("Content-Type"),
        url=str(ask.url),
        etag=answers.kept(answer, "ETag"),
        modified=answers.kept(answer, "Last-Modified"),
        retry_after=wait,
        total=answers.total(answer.headers),
    )


async def _body(answer: httpx.Response, max_bytes: int, is_enough: Callable[[bytes], bool] | None) -> bytes:
    if answers.total(answer.headers) > max_bytes and is_enough is None:
        raise unpack.UnpackError("the body is larger than allowed")  # so that nobody sends it in vain
    unpacker = unpack.unpacker(answer.headers.get("Content-Encoding", ""))
    parts, room = list[bytes](), max_bytes
    async for packed in answer.aiter_raw():
        part = unpacker.add(packed, room=room)
        room -= len(part)
        parts.append(part)
        if is_enough and is_enough(b"".join(parts)):
            return b"".join(parts)
    unpacker.end()
    return b"".join(parts)


@functools.cache
def tls() -> ssl.SSLContext:
    """Made once: reading the root certificates takes longer than most feeds. Heeds SSL_CERT_FILE."""
    return httpx.create_ssl_context()
