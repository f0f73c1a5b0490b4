"""The hot exchange: one connection to a relay that offers PIPELINING, with no task and no timer for each mail.

aiosmtplib has connected, done TLS, EHLO and AUTH; here its asyncio transport is taken over. MAIL, RCPT and DATA leave
in one write, and in the same write as the content before them (RFC 2920 §3.1). Replies are matched to what is due,
oldest first; one that fits nothing ends the connection, for from then on every reply might be another's.
"""

import asyncio
import collections
import math

from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import dialect
from digest.outbox.transports.relay import QUIT_SECONDS, Timeouts
from digest.outbox.transports.transport import Letter

# What a reply is due for. Plain numbers: four replies come for each mail.
RSET, MAIL, RCPT, DATA, CONTENT, DOT, QUIT = range(7)
FLIGHT = (MAIL, RCPT, DATA)
STAGES = {MAIL: Stage.MAIL, RCPT: Stage.RCPT, DATA: Stage.DATA, CONTENT: Stage.CONTENT}
# RFC 5321 §4.5.3.1.5 allows 512 bytes in a line of a reply; what never ends must not fill our memory.
LONGEST_LINE = 4096
LONGEST_REPLY = 16_384
CLOSING = 421


class PipelinedLine(asyncio.Protocol):
    """A Line. `deadline` is when its patience with the server ends, by the loop's clock; whoever keeps it looks."""

    def __init__(self, relay: str, transport: asyncio.Transport, offers: dialect.Offers, timeouts: Timeouts) -> None:
        self.relay = relay
        self.is_usable = True
        self.is_over = False
        self.served = 0
        self.deadline = math.inf
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.last_words: Reply | None = None
        self._loop = asyncio.get_running_loop()
        self._transport, self._offers, self._timeouts = transport, offers, timeouts
        self._due: collections.deque[int] = collections.deque()
        self._content: asyncio.Future[Reply] | None = None
        self._announced: asyncio.Future[Reply] | None = None
        self._letter: Letter | None = None
        self._refusal: Reply | None = None
        self._is_awaited = False
        self._is_abandoned = False
        self._is_for_nobody = False
        self._needs_reset = False
        self._rest, self._why = b"", ""
        self._said: list[bytes] = []
        transport.set_protocol(self)

    def announce(self, letter: Letter) -> asyncio.Future[Reply]:
        future = self._loop.create_future()
        if flight := self._begin(letter, future):
            self._transport.write(flight)
            if self._content is None:
                self.deadline = self._loop.time() + self._timeouts.command
        return future

    def pour(self, following: Letter | None) -> tuple[asyncio.Future[Reply], asyncio.Future[Reply] | None]:
        poured: asyncio.Future[Reply] = self._loop.create_future()
        announced: asyncio.Future[Reply] | None = self._loop.create_future() if following else None
        letter = self._letter
        if self._is_dead():
            poured.set_result(self._lost(Stage.DATA))
            if announced is not None:
                announced.set_result(self._lost(Stage.MAIL))
            return poured, announced
        if letter is None or not self._is_awaited:
            raise RuntimeError("pour, but the server waits for no content")
        self._letter, self._is_awaited = None, False
        self._content = poured
        self._due.append(CONTENT)
        flight = self._begin(following, announced) if following and announced else b""
        # Joined: copying 60 KB costs 1.5 µs, no more than handing over several pieces does.
        self._transport.write(b"".join((letter.content, b".\r\n", flight)))
        self.deadline = self._loop.time() + self._timeouts.content
        return poured, announced

    def abandon(self) -> None:
        self.is_usable = False
        if self._content is None:
            self._end("given up by us")
        else:
            # To cut now would leave the mail before this one in doubt.
            self._is_abandoned = True

    def retire(self) -> None:
        """Take on nothing more: somebody else needs its place."""
        self.is_usable = False

    def hang_up(self) -> None:
        """QUIT, unless something is under way: then without a word. `gone` tells when it is done."""
        self.is_usable = False
        if self._due or self._is_awaited or self._is_dead():
            self._end("closed by us")
            return
        self._due.append(QUIT)
        self._transport.write(b"QUIT\r\n")
        self.deadline = self._loop.time() + QUIT_SECONDS

    async def leave(self) -> None:
        """Hear what is said of content under way, then hang up."""
        if self._content is not None:
            await asyncio.wait([self._content])
        self.hang_up()
        await asyncio.wait([self.gone])

    def expire(self, now: float) -> None:
        """End the connection if the server has been silent for too long."""
        if now >= self.deadline:
            self._end("the server fell silent")

    # What asyncio calls

    def data_received(self, data: bytes) -> None:
        lines = (self._rest + data if self._rest else data).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            if self.is_over:
                return
            self._read(line)
        if len(self._rest) > LONGEST_LINE:
            self._babble(self._rest)
        elif self._content is None and not self.is_over:
            self.deadline = self._loop.time() + self._timeouts.command if self._due else math.inf

    def eof_received(self) -> bool:
        self._end("the server closed the connection")
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._end(str(error or "") or "the connection was lost")

    # What we make of it

    def _begin(self, letter: Letter, future: asyncio.Future[Reply]) -> bytes:
        """What announces a letter; nothing if its answer is known without asking."""
        if self._is_dead():
            future.set_result(self._lost(Stage.MAIL))
            return b""
        if letter.needs_smtputf8 and not self._offers.smtputf8:
            future.set_result(dialect.NO_SMTPUTF8)
            return b""
        if self._letter is not None:
            raise RuntimeError("one letter at a time is announced on a line")
        flight = dialect.flight(letter, self._offers)
        self._letter, self._announced, self._refusal, self._is_for_nobody = letter, future, None, False
        if self._needs_reset:
            self._due.append(RSET)
            self._needs_reset, flight = False, b"RSET\r\n" + flight
        self._due += FLIGHT
        return flight

    def _read(self, line: bytes) -> None:
        """One line of a reply: more to come after a hyphen (RFC 5321 §4.2.1), complete otherwise."""
        code = line[:3]
        if not code.isdigit() or not b"200" <= code < b"600" or line[3:4] not in (b" ", b"-", b"\r", b""):
            self._babble(line)
        elif line[3:4] == b"-":
            self._said.append(line)
            if sum(map(len, self._said)) > LONGEST_REPLY:
                self._babble(line)
        elif self._said:
            said, self._said = [*self._said, line], []
            self._hear(int(code), said)
        else:
            self._hear(int(code), [line])

    def _hear(self, code: int, said: list[bytes]) -> None:
        if not self._due:
            # Nobody asked: a goodbye, for a restart or after a long silence; or we have lost count of each other.
            self._end(_words(code, said))
            return
        step = self._due.popleft()
        if code == CLOSING:
            self._close(step, said)
        elif step == CONTENT:
            self._hear_content(code, said)
        elif step == DATA:
            self._hear_data(code, said)
        elif step in (MAIL, RCPT):
            if code >= 400:
                self._refusal = self._refusal or Reply(code, dialect.text(said), STAGES[step])
                self._is_for_nobody = step == RCPT
            elif code >= 300:
                self._babble(said[-1], step)
            elif step == MAIL:
                self._needs_reset = True
        elif step == DOT:
            self._refuse()
        elif step == QUIT:
            self._end("closed by us")

    def _hear_content(self, code: int, said: list[bytes]) -> None:
        if 300 <= code < 400:
            self._babble(said[-1], CONTENT)
            return
        future, self._content = self._content, None
        self.served += 1
        _settle(future, Reply(code, dialect.text(said), Stage.CONTENT))
        if self._is_abandoned:
            self._end("given up by us")

    def _hear_data(self, code: int, said: list[bytes]) -> None:
        if code == 354:
            self._needs_reset = False
            if self._refusal is None:
                future, self._announced = self._announced, None
                self._is_awaited = True
                _settle(future, dialect.GO_AHEAD)
                return
            if not self._is_for_nobody:
                # MAIL refused and all else taken makes no sense, and an empty mail might reach somebody.
                self._end("go ahead after a refusal")
                return
            # RFC 2920 §3.1: a server may say this although it refused every recipient. It gets an empty mail for
            # nobody, never the content, and whatever it says to that means nothing.
            self._transport.write(b".\r\n")
            self._due.append(DOT)
        elif code < 400:
            self._babble(said[-1], DATA)
        else:
            self._refusal = self._refusal or Reply(code, dialect.text(said), Stage.DATA)
            self._refuse()

    def _refuse(self) -> None:
        """All replies about the announced letter are in, and it was refused: the line is free."""
        future, self._announced, self._letter = self._announced, None, None
        _settle(future, self._refusal)

    def _close(self, step: int, said: list[bytes]) -> None:
        """421: the server closes the connection, whatever else it says (RFC 5321 §3.8)."""
        words = dialect.text(said)
        if step == CONTENT:
            future, self._content = self._content, None
            _settle(future, Reply(CLOSING, words, Stage.CONTENT))
        elif step in FLIGHT:
            # Before a recipient was named it cannot be about one: servers close like that after so many mails.
            self._refusal = self._refusal or Reply(CLOSING, words, STAGES[step], lost=step == MAIL)
            self.last_words = self._refusal
        self._end(_words(CLOSING, said))

    def _babble(self, line: bytes, step: int | None = None) -> None:
        """What is no reply, or none to what we said. Nothing after it can be trusted."""
        if step is not None:
            self._due.appendleft(step)
        self._end("not understood: " + dialect.text([b"    " + line[:200]]))

    def _is_dead(self) -> bool:
        if not self.is_over and self._transport.is_closing():
            self._end("the connection was lost")
        return self.is_over

    def _end(self, why: str) -> None:
        """Cut the connection, and tell everybody who waits how far things had come."""
        if self.is_over:
            return
        self.is_over, self.is_usable, self.deadline = True, False, math.inf
        self._transport.abort()
        self._why = why
        content, self._content = self._content, None
        announced, self._announced = self._announced, None
        stage = next((STAGES[step] for step in self._due if step in FLIGHT), Stage.DATA)
        if self.last_words is None and not self._is_abandoned:
            self.last_words = self._lost(stage)
        _settle(content, self._lost(Stage.CONTENT))
        _settle(announced, self._refusal or self._lost(stage))
        self._due.clear()
        self._letter, self._is_awaited = None, False
        self.gone.set_result(None)

    def _lost(self, stage: Stage) -> Reply:
        return Reply(0, self._why, stage, lost=True)


def _settle(future: "asyncio.Future[Reply] | None", reply: Reply | None) -> None:
    """Whoever waited may have stopped waiting."""
    if future is not None and not future.done():
        assert reply is not None
        future.set_result(reply)


def _words(code: int, said: list[bytes]) -> str:
    return f"{code} {dialect.text(said)}"
