"""A fast and rude SMTP server as a process of its own: `python -m tests.support.sink --ledger FILE --port 2525`.

What it keeps it writes to the ledger before it answers, one line per mail, so that what was accepted outlives its own
kill. How rude it is comes as one JSON object per line on its standard input; each is answered with "ok". Lines of the
ledger are fields between tabs, instants those of the monotonic clock, which all processes of a machine share:

    open  connection at
    helo  connection name
    kept  connection began ended wall recipient message-id answer is-sound     a mail that was accepted
    gone  connection began ended wall recipient message-id answer is-sound     thrown away, and its sender not told so
    odd   connection what                                                      the client spoke wrongly
    shut  connection at
"""

import argparse
import asyncio
import json
import os
import re
import signal
import stat
import sys
import time
from pathlib import Path
from typing import Any

from tests.support.rudeness import Mood, Rudeness

# Of the content's end: the last delimiter of a multipart. A mail that was cut off has none.
END = b"--\r\n"
MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(<[^>\r\n]*>)", re.IGNORECASE | re.MULTILINE)
PATH = re.compile(rb"<([^>]*)>")
OK = b"250 2.0.0 ok\r\n"
GARBAGE = b"\x00\xff{?\r\n"
TOO_MANY = b"421 4.7.0 enough for one connection\r\n"


class Sink(Mood):
    """What all connections share: the ledger and the mood."""

    def __init__(self, ledger: Path, seed: int) -> None:
        super().__init__(seed)
        self._file = os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._connections = 0

    def number(self) -> str:
        """Of a new connection; those of an earlier process on the same ledger had other ones."""
        self._connections += 1
        return f"{os.getpid()}.{self._connections}"

    def write(self, *fields: object) -> None:
        os.write(self._file, ("\t".join(map(str, fields)) + "\n").encode())


class Session(asyncio.Protocol):
    """One connection. Commands of one segment are answered in one, in order (RFC 2920 §3.2)."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._replies: list[bytes] = []
        self._is_silent = self._is_over = self._is_content = False
        self._sender: bytes | None = None
        self._recipient: bytes | None = None
        self._mails, self._searched, self._began = 0, 0, 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.Transport = transport
        self._number = self._sink.number()
        self._sink.write("open", self._number, _now())
        if self._sink.rude.refuse:
            self._replies += [TOO_MANY] if self._sink.rude.refuse == "421" else []
            self._end()
        else:
            self._replies.append(b"220 sink ESMTP\r\n")
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._is_over = True
        self._sink.write("shut", self._number, _now())

    def data_received(self, data: bytes) -> None:
        if self._is_content and not self._buffer:
            self._began = time.monotonic()
        self._buffer = self._buffer + data if self._buffer else data
        self._work()

    def _work(self) -> None:
        while not (self._is_silent or self._is_over):
            if not (self._take_content() if self._is_content else self._take_command()):
                break
        self._flush()

    def _flush(self) -> None:
        if not self._replies:
            return
        data, self._replies = b"".join(self._replies), []
        if self._sink.rude.delay:
            asyncio.get_running_loop().call_later(self._sink.rude.delay, self._transport.write, data)
        else:
            self._transport.write(data)

    def _end(self) -> None:
        """Hang up, with the replies so far."""
        self._is_over = True
        self._flush()
        self._transport.close()

    def _resume(self) -> None:
        self._is_silent = False
        self._work()

    def _take_command(self) -> bool:
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        self._buffer = rest
        verb = line[:4].upper()
        if self._sink.rude.close_after and self._mails >= self._sink.rude.close_after and verb != b"QUIT":
            self._replies.append(TOO_MANY)
            self._end()
            return False
        if self._sink.at_command and verb in (b"MAIL", b"RCPT", b"DATA"):
            self._obey_rudely(verb, line)
        else:
            self._obey(verb, line)
        return True

    def _obey_rudely(self, verb: bytes, line: bytes) -> None:
        what = self._sink.draw(self._sink.at_command)
        if what == "hang_up":
            self._end()
            return
        self._obey(verb, line)
        if what == "babble" and self._replies:
            # It did what was asked, or the commands behind this one, sent already, would seem out of turn.
            self._replies[-1] = GARBAGE
        elif what == "late":
            self._is_silent = True
            asyncio.get_running_loop().call_later(2, self._resume)

    def _obey(self, verb: bytes, line: bytes) -> None:
        if verb == b"MAIL":
            self._mail(line)
        elif verb == b"RCPT":
            self._rcpt(line)
        elif verb == b"DATA":
            self._data()
        elif verb in (b"EHLO", b"HELO"):
            self._sink.write("helo", self._number, line[5:].decode(errors="replace"))
            self._replies.append(b"250-sink\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250 8BITMIME\r\n")
        elif verb == b"RSET":
            self._sender = self._recipient = None
            self._replies.append(OK)
        elif verb == b"QUIT":
            self._replies.append(b"221 2.0.0 bye\r\n")
            self._end()
        elif verb == b"NOOP":
            self._replies.append(OK)
        else:
            self._protest(f"unknown command {line[:40]!r}")

    def _mail(self, line: bytes) -> None:
        if self._sink.rude.busy and self._sink.draw([("busy", self._sink.rude.busy)]):
            self._replies.append(b"421 4.3.2 busy, come back later\r\n")
            self._end()
        elif self._sender is not None:
            self._protest("MAIL within a transaction")
        else:
            self._sender = _path(line)
            self._replies.append(OK)

    def _rcpt(self, line: bytes) -> None:
        recipient = _path(line)
        if self._sender is None:
            self._protest("RCPT before MAIL")
        elif self._sink.is_greylisted(recipient):
            self._replies.append(b"451 4.7.1 greylisted, try again later\r\n")
        else:
            self._recipient = recipient
            self._replies.append(OK)

    def _data(self) -> None:
        if self._recipient is None and not (self._sink.rude.lax and self._sender is not None):
            # After a refused RCPT this is what a pipelining client must expect, and no fault of its own.
            self._replies.append(b"503 5.5.1 no valid recipients\r\n")
            self._sender = None
            return
        self._is_content, self._searched, self._began = True, 0, time.monotonic()
        self._replies.append(b"354 go ahead\r\n")

    def _protest(self, what: str) -> None:
        self._sink.write("odd", self._number, what)
        self._replies.append(b"503 5.5.1 bad sequence of commands\r\n")

    def _take_content(self) -> bool:
        buffer = self._buffer
        if buffer.startswith(b".\r\n"):
            end = -2
        else:
            end = buffer.find(b"\r\n.\r\n", self._searched)
            if end < 0:
                self._searched = max(0, len(buffer) - 4)
                return False
        content, self._buffer = buffer[: end + 2], buffer[end + 5 :]
        self._is_content = False
        recipient, self._sender, self._recipient = self._recipient, None, None
        if recipient is None:
            if content:
                self._sink.write("odd", self._number, "content although every RCPT was refused")
            self._replies.append(b"554 5.5.1 no valid recipients\r\n")
        else:
            self._judge(recipient, content)
        return True

    def _judge(self, recipient: bytes, content: bytes) -> None:
        what = self._sink.mood(recipient)
        self._mails += 1
        if what == "later":
            self._replies.append(b"451 4.3.0 not now\r\n")
            return
        how, _, when = what.partition("_")
        is_sound = b"<%s>" % recipient in content and content.endswith(END)
        fields = *self._facts(recipient, content), how or "250", int(is_sound)
        self._sink.write("gone" if when == "before" else "kept", *fields)
        if how == "drop":
            self._end()
        elif how == "stall":
            self._is_silent = True
        else:
            self._replies.append(GARBAGE if how == "garbage" else OK)

    def _facts(self, recipient: bytes, content: bytes) -> tuple[str, ...]:
        found = MESSAGE_ID.search(content, 0, 8192)
        message_id = found[1].decode(errors="replace") if found else ""
        times = f"{self._began:.6f}", _now(), f"{time.time():.6f}"
        return (self._number, *times, recipient.decode(errors="replace"), message_id)


def _path(line: bytes) -> bytes:
    found = PATH.search(line)
    return found[1] if found else b""


def _now() -> str:
    return f"{time.monotonic():.6f}"


async def _obey_input(sink: Sink) -> None:
    """New moods from standard input, if it is a pipe; its end is no reason to stop."""
    if not stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        sink.become(Rudeness(**json.loads(line)))
        print("ok", flush=True)


async def serve(sink: Sink, port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Session(sink), "127.0.0.1", port, backlog=1024)
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    print(f"listening at {server.sockets[0].getsockname()[1]}", flush=True)
    listening = asyncio.create_task(_obey_input(sink))
    await stopping.wait()
    listening.cancel()
    server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="A fast and rude SMTP server.")
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    asyncio.run(serve(Sink(given.ledger, given.seed), given.port))


if __name__ == "__main__":
    main()
