"""A line to a server without PIPELINING: aiosmtplib says MAIL, RCPT and DATA one after the other and waits each time.

aiosmtplib's own `data()` rewrites the whole message by regular expression; ours is already as it must be and leaves
as it is.
"""

import asyncio
import math
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple, cast

import aiosmtplib

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import dialect
from digest.outbox.transports.relay import QUIT_SECONDS, Timeouts
from digest.outbox.transports.transport import Letter

STEPS = (Stage.MAIL, Stage.RCPT, Stage.DATA)
CLOSING = 421


class Speech(NamedTuple):
    commands: tuple[bytes, ...]
    content: bytes
    answer: Reply | None


class StepwiseLine:
    """A Line, of the same kind as PipelinedLine for the pool. aiosmtplib minds the time for each step."""

    deadline = math.inf

    def __init__(self, relay: str, client: aiosmtplib.SMTP, offers: dialect.Offers, timeouts: Timeouts) -> None:
        self.relay = relay
        self.served = 0
        self.last_words: Reply | None = None
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._client, self._offers, self._timeouts = client, offers, timeouts
        self._task: asyncio.Task[None] | None = None
        self._is_given_up = self._is_retired = False
        self._is_pouring = False
        self._needs_reset = False
        self._awaited = b""

    @property
    def is_usable(self) -> bool:
        return not (self._is_given_up or self._is_retired) and self._client.is_connected

    @property
    def is_over(self) -> bool:
        return self.gone.done() or not self._client.is_connected

    def announce(self, letter: Letter) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._start(self._announce(self._speech(letter), future))
        return future

    def pour(self, following: Letter | None) -> tuple[asyncio.Future[Reply], asyncio.Future[Reply] | None]:
        loop = asyncio.get_running_loop()
        content, self._awaited = self._awaited, b""
        if not content and not self.is_over:
            raise RuntimeError("pour, but the server waits for no content")
        poured: asyncio.Future[Reply] = loop.create_future()
        self._is_pouring = True
        self._start(self._pour(content, poured))
        return poured, self.announce(following) if following is not None else None

    def abandon(self) -> None:
        self._is_given_up = True
        if not self._is_pouring:
            self._cut()

    def retire(self) -> None:
        self._is_retired = True

    def hang_up(self) -> None:
        self._is_given_up = True
        if self._task is not None or self._awaited:
            self._cut()
        else:
            self._start(self._quit())

    async def leave(self) -> None:
        self._is_retired = True
        while self._is_pouring and self._task is not None:
            await asyncio.wait([self._task])
        self.hang_up()
        await asyncio.wait([self.gone])

    def expire(self, now: float) -> None:
        """Nothing to do: each step has its own timeout."""

    def _speech(self, letter: Letter) -> Speech:
        """What there is to say, or what is known without asking. A letter that cannot be right rises to the caller."""
        if letter.needs_smtputf8 and not self._offers.smtputf8:
            return Speech((), letter.content, dialect.NO_SMTPUTF8)
        return Speech(tuple(dialect.flight(letter, self._offers).split(b"\r\n")[:3]), letter.content, None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._task = asyncio.create_task(self._in_turn(self._task, work))

    async def _in_turn(self, before: asyncio.Task[None] | None, work: Coroutine[Any, Any, None]) -> None:
        if before is not None:
            await asyncio.wait([before])
        await work
        if self._task is asyncio.current_task():
            self._task = None

    async def _announce(self, speech: Speech, future: "asyncio.Future[Reply]") -> None:
        reply = speech.answer or await self._introduce(speech.commands)
        if reply.code == 354:
            self._awaited = speech.content
        _settle(future, dialect.GO_AHEAD if reply.code == 354 else reply)

    async def _introduce(self, commands: Sequence[bytes]) -> Reply:
        if self._is_given_up or not self._client.is_connected:
            return self._lost("the connection was lost", Stage.MAIL)
        if self._needs_reset:
            await self._say(Stage.MAIL, b"RSET")
        reply = dialect.GO_AHEAD
        for stage, command in zip(STEPS, commands, strict=True):
            reply = await self._say(stage, command)
            # RFC 5321 §4.3.2: 354 asks for the content, 2xx lets everything else pass.
            if reply.lost or reply.code >= 400:
                break
            if reply.code != 354 if stage is Stage.DATA else reply.code >= 300:
                return self._lost(f"not understood: {reply.code} {reply.text}", stage)
            self._needs_reset = True
        return reply

    async def _say(self, stage: Stage, command: bytes) -> Reply:
        try:
            response = await self._client.execute_command(*command.split(b" "), timeout=self._timeouts.command)
        except (aiosmtplib.SMTPException, OSError) as error:
            return self._lost(str(error) or type(error).__name__, stage)
        words = dialect.printable(response.message)
        if not 200 <= response.code < 600:
            return self._lost(f"not understood: {response.code} {words}", stage)
        reply = Reply(response.code, words, stage, lost=response.code == CLOSING and stage is Stage.MAIL)
        if response.code == CLOSING:
            self._end(reply)
        return reply

    async def _pour(self, content: bytes, poured: "asyncio.Future[Reply]") -> None:
        reply = await self._content(content)
        self._is_pouring = False
        if self._is_given_up:
            self._cut()
        _settle(poured, reply)

    async def _content(self, content: bytes) -> Reply:
        """The content and the final dot. From the first byte on, no reply means doubt."""
        protocol = self._client.protocol
        if not content or protocol is None or not protocol.is_connected:
            return self._lost("the connection was lost", Stage.DATA)
        try:
            protocol.write(content + b".\r\n")
            response = await protocol.read_response(timeout=self._timeouts.content)
        except (aiosmtplib.SMTPException, OSError) as error:
            return self._lost(str(error) or type(error).__name__, Stage.CONTENT)
        if not 200 <= response.code < 600 or response.code // 100 == 3:
            return self._lost(f"not understood: {response.code} {response.message}", Stage.CONTENT)
        self.served += 1
        self._needs_reset = False
        reply = Reply(response.code, dialect.printable(response.message), Stage.CONTENT)
        if response.code == CLOSING:
            self._end(reply)
        return reply

    async def _quit(self) -> None:
        try:
            await self._client.quit(timeout=QUIT_SECONDS)
        except (aiosmtplib.SMTPException, OSError):
            pass
        finally:
            self._cut()

    def _lost(self, why: str, stage: Stage) -> Reply:
        reply = Reply(0, dialect.printable(why), stage, lost=True)
        self._end(reply)
        return reply

    def _end(self, reply: Reply) -> None:
        self.last_words = self.last_words or reply
        self._cut()

    def _cut(self) -> None:
        """Not `close` alone: that would still send what is buffered, and complete a mail we have given up on."""
        if self._client.transport is not None:
            cast(asyncio.Transport, self._client.transport).abort()
        self._client.close()
        if not self.gone.done():
            self.gone.set_result(None)


def _settle(future: "asyncio.Future[Reply]", reply: Reply) -> None:
    if not future.done():
        future.set_result(reply)
