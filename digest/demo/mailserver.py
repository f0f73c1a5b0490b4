"""A catch-all SMTP server on 127.0.0.1: takes every mail, keeps it in memory and as an .eml file, passes none on."""

import asyncio
import dataclasses
from pathlib import Path
from typing import Any

from aiosmtpd import smtp

HOST = "127.0.0.1"
# A digest has some 100 KB; a server that took anything could be filled up by whoever finds its port.
MAX_BYTES = 10_000_000


@dataclasses.dataclass(frozen=True)
class Received:
    """One mail as it came, numbered from 1 in the order of arrival."""

    number: int
    sender: str
    recipient: str
    content: bytes


class MailServer:
    """`async with MailServer(folder) as server:` then `server.url` and `server.received`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.received: list[Received] = []
        self.url = ""
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.BaseTransport] = set()

    async def __aenter__(self) -> "MailServer":
        self.folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._session, HOST, 0)
        self.url = f"smtp://{HOST}:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        # Nobody else is served here, so open connections are ours and idle.
        self._server.close()
        for transport in list(self._transports):
            transport.close()

    def _session(self) -> smtp.SMTP:
        return _Session(self, hostname="demo.invalid", data_size_limit=MAX_BYTES, enable_SMTPUTF8=True)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """aiosmtpd's hook for a mail received whole."""
        # Our own transport sends one mail per recipient; other programs may not.
        for recipient in envelope.rcpt_tos:
            mail = Received(len(self.received) + 1, envelope.mail_from, recipient, envelope.original_content)
            (self.folder / f"{mail.number:04}.eml").write_bytes(mail.content)
            self.received.append(mail)
        return f"250 2.0.0 Kept as number {len(self.received)}"

    def opened(self, transport: asyncio.BaseTransport) -> None:
        self._transports.add(transport)

    def closed(self, transport: asyncio.BaseTransport | None) -> None:
        self._transports.discard(transport)


class _Session(smtp.SMTP):
    """One connection; the server must know it, to hang up when the demo ends."""

    def __init__(self, owner: MailServer, **settings: Any) -> None:
        super().__init__(owner, **settings)
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._owner.opened(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.closed(self.transport)
        super().connection_lost(error)
