"""What every way out offers: take one finished mail, say what the server replied.

A transport decides nothing and reads no rows; it returns replies as values, for refusals are daily mail life.
"""

import dataclasses
from typing import Protocol

from digest.outbox.replies import Reply


@dataclasses.dataclass(frozen=True, slots=True)
class Letter:
    """A finished mail in its envelope. Addresses are wire forms (`EmailAddress.wire`); `content` ends with CRLF."""

    delivery_id: int
    sender: str
    recipient: str
    content: bytes

    @property
    def needs_smtputf8(self) -> bool:
        """Only a local part can be beyond ASCII: domains travel as A-labels."""
        return not (self.recipient.isascii() and self.sender.isascii())


class Transport(Protocol):
    """`connections` mails may be under way at once; more wait their turn inside `send`."""

    @property
    def connections(self) -> int: ...

    async def open(self) -> None:
        """Ready to send. A DigestError if the set-up itself is wrong; a server that is down is no such thing."""

    async def send(self, letter: Letter) -> Reply:
        """What was replied to this mail, at which stage. Never raises for anything a server or network does."""

    async def probe(self) -> Reply:
        """Whether mail could leave now: 2xx, or what stands in the way. Sends nothing."""

    async def close(self) -> None:
        """Waits for mails under way, then leaves politely."""
