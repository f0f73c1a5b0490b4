"""An open line to a scripted server, and what was said on it, for tests of lines on both event loops."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import connection, smtp
from digest.outbox.transports.connection import SmtpLine
from digest.outbox.transports.relay import Relay, Timeouts, Tls
from digest.outbox.transports.smtp import SmtpTransport
from digest.outbox.transports.transport import Letter, Line, Transport
from tests.support import certificates, rawsmtp

CONTENT = b"From: a@example.org\r\n\r\nHello\r\n"
# Long enough for a busy machine, short enough to wait for in a test.
QUICK = Timeouts(connect=5, command=5, content=5)

# Looked after every 0.05 s.
WATCHFUL = Timeouts(connect=5, command=0.2, content=5)

Told = tuple[int, Stage, bool]
GO_AHEAD: Told = (354, Stage.DATA, False)
SENT: Told = (250, Stage.CONTENT, False)
DOUBT: Told = (0, Stage.CONTENT, True)


def a_letter(number: int = 1, **changes: Any) -> Letter:
    letter = Letter(number, "bounce@example.org", f"reader{number}@example.com", CONTENT)
    return dataclasses.replace(letter, **changes)


@asynccontextmanager
async def talking(
    timeouts: Timeouts = QUICK, *, tls: Tls = Tls.NONE, certificate: tuple[Path, Path] | None = None, **settings: Any
) -> AsyncIterator[tuple[rawsmtp.RawServer, SmtpLine]]:
    """A server and an open line to it, which is looked after as a pool would."""
    if certificate and tls is not Tls.NONE:
        settings["ssl" if tls is Tls.IMPLICIT else "starttls"] = certificates.server_context(*certificate)
    async with rawsmtp.running(**settings) as server:
        relay = Relay("127.0.0.1", server.port, tls, ca_file=certificate[0] if certificate else None)
        line = await connection.open_line(relay, smtp._tls_context(relay), timeouts)
        assert not isinstance(line, Reply), line
        watch = asyncio.create_task(_watch(line))
        try:
            yield server, line
        finally:
            watch.cancel()
            line.abandon()
            await asyncio.sleep(0)


async def _watch(line: SmtpLine) -> None:
    while True:
        await asyncio.sleep(0.02)
        line.expire(asyncio.get_running_loop().time())


def relay_of(server: rawsmtp.RawServer, label: str = "", **changes: Any) -> Relay:
    return Relay("127.0.0.1", server.port, Tls.NONE, label=label, **changes)


@asynccontextmanager
async def pool(*relays: Relay, connections: int = 8, timeouts: Timeouts = WATCHFUL) -> AsyncIterator[SmtpTransport]:
    transport = SmtpTransport(relays, connections, timeouts)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.close()


def told(reply: Reply) -> Told:
    return reply.code, reply.stage, reply.lost


async def heard(*futures: "asyncio.Future[Reply] | None") -> list[Told | None]:
    """What came of each, in one list; None for one that was not given."""
    return [told(await asyncio.wait_for(future, 10)) if future is not None else None for future in futures]


async def mailed(line: Line, *letters: Letter) -> list[Told]:
    """What was said to each letter in the end, each announced with the content before it."""
    replies = []
    announced: asyncio.Future[Reply] | None = line.announce(letters[0])
    for following in (*letters[1:], None):
        assert announced is not None
        reply = await announced
        if reply.code == 354:
            poured, announced = line.pour(following)
            reply = await poured
        elif following:
            announced = line.announce(following)
        replies.append(told(reply))
    return replies


async def a_line(transport: Transport, relay: str | None = None, *, urgent: bool = False) -> Line:
    """The next line there is, or an error after a while."""
    async with asyncio.timeout(10):
        while (line := transport.take(relay, urgent=urgent)) is None:
            await transport.changed()
        return line


async def lines(transport: Transport, *, urgent: bool = False) -> list[Line]:
    """All there are to be had, once no more come."""
    found: list[Line] = []
    now = asyncio.get_running_loop().time
    last_at = now()
    while now() < last_at + 0.5:
        while line := transport.take(urgent=urgent):
            found.append(line)
            last_at = now()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(transport.changed(), 0.1)
    return found


async def send(transport: Transport, letter: Letter) -> Reply:
    """One letter by itself. A line closed while it lay idle is no answer; the next must give one."""
    reply = await _send(transport, letter)
    return await _send(transport, letter) if reply.lost and reply.stage is Stage.MAIL else reply


async def _send(transport: Transport, letter: Letter) -> Reply:
    patience = asyncio.get_running_loop().time() + 1.5
    while (line := transport.take(urgent=True)) is None:
        trouble = transport.trouble()
        if trouble and asyncio.get_running_loop().time() > patience:
            return trouble
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(transport.changed(), 1)
    try:
        reply = await line.announce(letter)
        return await line.pour(None)[0] if reply.code == 354 else reply
    except BaseException:
        line.abandon()
        raise
    finally:
        transport.give_back(line)


async def until(is_so: Callable[[], object]) -> None:
    """Looks again and again, and not for ever."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 what is waited for happens in a server
            await asyncio.sleep(0.005)
