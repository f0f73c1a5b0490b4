"""A sink of which one destination takes a single connection at a time, and answers 421 on any other.

`python bench_jealous.py LEDGER PORT`. Everything else it takes at once. Each 421 is a line `busy` in the ledger.
"""

import asyncio
import sys
from pathlib import Path

from tests.support import sink

DESTINATION = b"@d0.example.org"
# How long that destination takes for a mail.
SECONDS = 0.01


class Session(sink.Session):
    """What it holds for the jealous destination it holds until the mail is answered, or the connection over."""

    holder: "Session | None" = None

    def _rcpt(self, line: bytes) -> None:
        if DESTINATION not in line:
            return super()._rcpt(line)
        if Session.holder not in (None, self):
            self._sink.write("busy", self._number)
            self._replies.append(b"421 4.7.0 one connection at a time, please\r\n")
            return self._end()
        Session.holder = self
        super()._rcpt(line)

    def _judge(self, recipient: bytes, content: bytes) -> None:
        super()._judge(recipient, content)
        if DESTINATION in recipient:
            self._is_silent = True
            asyncio.get_running_loop().call_later(SECONDS, self._answer)

    def _answer(self) -> None:
        # What follows on this connection may be for the same destination, and then takes hold of it again.
        Session.holder = None
        self._resume()

    def _flush(self) -> None:
        if not self._is_silent:
            super()._flush()

    def connection_lost(self, error: Exception | None) -> None:
        if Session.holder is self:
            Session.holder = None
        super().connection_lost(error)


if __name__ == "__main__":
    sink.Session = Session  # type: ignore[misc]
    asyncio.run(sink.serve(sink.Sink(Path(sys.argv[1]), 0), int(sys.argv[2])))
