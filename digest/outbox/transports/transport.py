"""What every way out offers: lines, over which finished mails are announced and then poured.

A transport decides nothing and reads no rows; it returns replies as values, for refusals are daily mail life. Futures
never raise, and are plain ones, so that a loop may hang callbacks on many of them without a task for each.
"""

import asyncio
import dataclasses
from collections.abc import Coroutine
from typing import Any, Protocol

from digest.outbox.replies import Reply


@dataclasses.dataclass(frozen=True, slots=True)
class Letter:
    """A finished mail in its envelope. Addresses are wire forms (`EmailAddress.wire`).

    `content` ends with CRLF and has no line that begins with a dot (`mime` writes =2E): it leaves byte for byte, and
    looking for such lines would cost more than all else that is done here for a mail.
    """

    delivery_id: int
    sender: str
    recipient: str
    content: bytes

    @property
    def needs_smtputf8(self) -> bool:
        """Only a local part can be beyond ASCII: domains travel as A-labels."""
        return not (self.recipient.isascii() and self.sender.isascii())


class Line(Protocol):
    """One connection. One letter is announced at a time; the next may be while the content of the last is answered."""

    @property
    def relay(self) -> str:
        """The name of the relay it leads to."""

    @property
    def is_usable(self) -> bool:
        """False once it is dead or not wanted any more; it is given back all the same, and announced nothing on."""

    def announce(self, letter: Letter) -> asyncio.Future[Reply]:
        """354 at Stage.DATA: the server waits for the content. Anything else is why not, and the line is free again.

        `lost`: the connection ended, or was closed before the recipient was named; it says nothing about this letter.
        Nothing of the content was sent.
        """

    def pour(self, following: Letter | None) -> tuple[asyncio.Future[Reply], asyncio.Future[Reply] | None]:
        """The content of the announced letter and, in the same write, the announcement of the next.

        The first future is the reply to the content (Stage.CONTENT; with `lost` or code 0 nobody knows), or a lost
        reply at Stage.DATA if the connection was gone before: nothing was sent then. The second is as from announce.
        """

    def abandon(self) -> None:
        """The announced letter must not leave. There is no polite way after 354, so the connection is cut.

        Content already poured is heard out first. The letter's future may be done or not; nobody asks.
        """


class Transport(Protocol):
    """`connections` lines at most, over all relays."""

    @property
    def connections(self) -> int: ...

    @property
    def relays(self) -> tuple[str, ...]:
        """Names that `take` knows. A letter pinned to any other relay can only wait for somebody to decide."""

    async def open(self) -> None:
        """Ready to take from. A DigestError if the set-up itself is wrong; a server that is down is no such thing."""

    def take(self, relay: str | None = None, *, urgent: bool = False) -> Line | None:
        """A connected line that is free, or None; then more are being opened, as far as they may be.

        With a name: to that relay only. One line in eight, and at least one of two, is kept for `urgent` callers.
        """

    def give_back(self, line: Line) -> None:
        """Every line taken, dead or alive."""

    def changed(self) -> Coroutine[Any, Any, None]:
        """Returns when lines or trouble changed since this was called.

        Called right after a `take` that gave nothing, with no await between, it misses nothing.
        """

    def trouble(self, relay: str | None = None) -> Reply | None:
        """Why no line can be had now, of that relay or of any; None while there are some or hope for some."""

    async def probe(self) -> Reply:
        """Whether mail could leave now: 2xx, or what stands in the way. Sends nothing."""

    async def close(self) -> None:
        """Waits for the replies to content under way, then leaves politely."""
