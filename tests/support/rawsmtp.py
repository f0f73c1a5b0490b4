"""An SMTP server on 127.0.0.1 that really pipelines, in the test's own loop, and is as rude as a test wants.

It reads commands as bytes, answers each from a script and records what it was told and in which pieces. A script
maps a step (greeting, ehlo, mail, rcpt, data, content, rset, quit) to replies for the first, second, … time.
"""

import asyncio
import dataclasses
import re
import socket
import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

USUAL = {
    "greeting": "220 raw.test ESMTP",
    "mail": "250 2.1.0 OK",
    "rcpt": "250 2.1.5 OK",
    "data": "354 go on",
    "content": "250 2.0.0 taken",
    "rset": "250 2.0.0 forgotten",
    "quit": "221 2.0.0 bye",
}
# Instead of a reply: end the connection, gently or by a reset; keep the mail and then end it; say nothing at all.
CLOSE, RESET, KEEP_AND_CLOSE, STALL = "close", "reset", "keep and close", "stall"
# After the reply that precedes them: "250 OK" + THEN_CLOSE.
THEN_CLOSE, THEN_RESET = "\0", "\1"


@dataclasses.dataclass
class RawServer:
    """`script[step]` is consumed in order over all connections; "" and what is beyond it are the usual replies."""

    script: dict[str, list[str]] = dataclasses.field(default_factory=dict)
    extensions: Sequence[str] = ("PIPELINING", "SIZE 1000000")
    # Bytes at a time in which replies leave, and whether they wait until no more commands are there to read.
    pieces: int = 0
    gathers: bool = False
    # More connections than this at once are turned away; each ends after so many mails.
    most: int = 1000
    close_after: int = 1000
    mails: list[tuple[str, str, bytes]] = dataclasses.field(default_factory=list)
    said: list[str] = dataclasses.field(default_factory=list)
    arrived: list[bytes] = dataclasses.field(default_factory=list)
    open: int = 0
    most_open: int = 0
    connections: int = 0
    turned_away: int = 0
    port: int = 0
    starttls: Any = None

    def __post_init__(self) -> None:
        self.script = {step: list(replies) for step, replies in self.script.items()}

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def next_reply(self, step: str) -> str:
        left = self.script.get(step)
        return (left.pop(0) if left else "") or self.usual(step)

    def usual(self, step: str) -> str:
        if step == "ehlo":
            lines = ["raw.test", *self.extensions, *(["STARTTLS"] if self.starttls else [])]
            return "\r\n".join(f"250{'-' if line is not lines[-1] else ' '}{line}" for line in lines)
        return "220 2.0.0 go ahead" if step == "starttls" else USUAL.get(step, "500 5.5.2 what")

    def recipients(self) -> list[str]:
        """Of mails that had one."""
        return [recipient for _, recipient, _ in self.mails if recipient]


@asynccontextmanager
async def running(*, port: int = 0, ssl: Any = None, **settings: Any) -> AsyncIterator[RawServer]:
    """Ends with every connection cut."""
    owner = RawServer(**settings)
    talks: set[_Talk] = set()

    def talk() -> _Talk:
        return _Talk(owner, talks)

    server = await asyncio.get_running_loop().create_server(talk, "127.0.0.1", port, ssl=ssl)
    owner.port = server.sockets[0].getsockname()[1]
    try:
        yield owner
    finally:
        server.close()
        for one in list(talks):
            one.transport.abort()
        await asyncio.sleep(0)


class _Talk(asyncio.Protocol):
    def __init__(self, owner: RawServer, talks: "set[_Talk]") -> None:
        self.owner, self.talks = owner, talks
        self.buffer = b""
        self.unsent = self.in_pieces = b""
        self.is_deaf = self.is_content = False
        self.sender = self.recipient = ""
        self.taken = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.talks.add(self)
        self.owner.connections += 1
        self.owner.open += 1
        if self.owner.open > self.owner.most:
            self.owner.turned_away += 1
            self.transport.write(b"421 4.7.0 too many connections from you\r\n")
            self.transport.close()
            return
        self.owner.most_open = max(self.owner.most_open, self.owner.open)
        self.step("greeting")
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.owner.open -= 1
        self.talks.discard(self)

    def data_received(self, data: bytes) -> None:
        self.owner.arrived.append(data)
        self.buffer += data
        while not self.is_deaf and self.handle():
            pass
        self.flush()

    def handle(self) -> bool:
        if self.is_content:
            content, dot, rest = (b"\r\n" + self.buffer).partition(b"\r\n.\r\n")
            if not dot:
                return False
            self.buffer, self.is_content = rest, False
            self.take(content.removeprefix(b"\r\n") + b"\r\n" if content else b"")
            return True
        line, end, rest = self.buffer.partition(b"\r\n")
        if not end:
            return False
        self.buffer = rest
        self.command(line.decode())
        return True

    def command(self, line: str) -> None:
        self.owner.said.append(line)
        verb = line.split(" ")[0].split(":")[0].lower()
        address = re.search("<(.*?)>", line)
        if verb == "mail" and self.taken >= self.owner.close_after:
            self.unsent += b"421 4.7.0 enough mails on this connection\r\n"
            self.end(CLOSE)
            self.is_deaf = True
            return
        if verb == "mail" and address:
            self.sender, self.recipient = address[1], ""
        if verb == "rcpt" and address:
            self.recipient = address[1]
        reply = self.step(verb)
        self.is_content = verb == "data" and reply.startswith("354")
        if verb == "rcpt" and not reply.startswith("2"):
            self.recipient = ""
        if verb == "quit":
            self.flush()
            self.transport.close()
        if verb == "starttls":
            self.is_deaf = True
            self.flush()
            self.upgrade = asyncio.create_task(self.start_tls())

    async def start_tls(self) -> None:
        loop, context = asyncio.get_running_loop(), self.owner.starttls
        self.transport = await loop.start_tls(self.transport, self, context, server_side=True)
        self.is_deaf = False
        self.data_received(b"")  # what came while the handshake ended

    def take(self, content: bytes) -> None:
        self.owner.said.append(f"content {len(content)}")
        reply = self.step("content")
        if reply.startswith("2") or reply == KEEP_AND_CLOSE:
            self.taken += 1
            self.owner.mails.append((self.sender, self.recipient, content))

    def step(self, name: str) -> str:
        reply = self.owner.next_reply(name)
        if reply in (CLOSE, RESET, KEEP_AND_CLOSE, STALL):
            self.is_deaf = True
            if reply != STALL:
                self.end(reply)
            return reply
        words = reply.rstrip(THEN_CLOSE + THEN_RESET)
        self.unsent += words.encode() + b"\r\n"
        if not self.owner.gathers:
            self.flush()
        if words != reply:
            self.is_deaf = True
            self.end(CLOSE if reply.endswith(THEN_CLOSE) else RESET)
        return words

    def end(self, how: str) -> None:
        self.flush()
        if how == RESET:
            linger_for_no_time = struct.pack("ii", 1, 0)
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_for_no_time)
            self.transport.abort()
        else:
            self.transport.close()

    def flush(self) -> None:
        data, self.unsent = self.unsent, b""
        if not self.owner.pieces:
            if data and not self.transport.is_closing():
                self.transport.write(data)
            return
        is_pumping = bool(self.in_pieces)
        self.in_pieces += data
        if not is_pumping:
            self.pump()

    def pump(self) -> None:
        """One piece at a time, apart in time too, or the kernel would put them together again."""
        piece, self.in_pieces = self.in_pieces[: self.owner.pieces], self.in_pieces[self.owner.pieces :]
        if piece and not self.transport.is_closing():
            self.transport.write(piece)
            asyncio.get_running_loop().call_later(0.0001, self.pump)
