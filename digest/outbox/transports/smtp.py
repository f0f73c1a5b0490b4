"""Mails to a relay by SMTP, over a pool of connections that open when first needed and serve many mails each.

The last connection given back is the first taken again, so little traffic keeps few connections. Reads and leaves no
rows; what a reply means is for `outcomes` to say.
"""

import asyncio
import ssl

from digest import errors
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports.connection import Connection, Relay, Timeouts, Tls
from digest.outbox.transports.transport import Letter

TIMEOUTS = Timeouts()


class CertificateError(errors.DigestError):
    """The file of certificate authorities cannot be used."""


class SmtpTransport:
    """At most `connections` mails under way at once; `send` waits for a free connection."""

    def __init__(self, relay: Relay, connections: int, timeouts: Timeouts = TIMEOUTS) -> None:
        self.connections = connections
        self.relay = relay
        self._timeouts = timeouts
        self._context: ssl.SSLContext | None = None
        self._idle: asyncio.LifoQueue[Connection] | None = None

    async def open(self) -> None:
        # Reads the machine's authorities from disk: some ten milliseconds, once for all connections.
        self._context = await asyncio.to_thread(_tls_context, self.relay)
        self._idle = asyncio.LifoQueue()
        for _ in range(self.connections):
            self._idle.put_nowait(self._connection())

    async def send(self, letter: Letter) -> Reply:
        idle = self._idle
        if idle is None:
            raise RuntimeError("send before open or after close")
        connection = await idle.get()
        try:
            return await connection.send(letter)
        finally:
            idle.put_nowait(connection)

    async def probe(self) -> Reply:
        connection = self._connection()
        opened = await connection.open()
        await connection.quit()
        if isinstance(opened, Reply):
            return opened
        return Reply(250, f"{self.relay.host}:{self.relay.port} is ready", Stage.CONNECT)

    async def close(self) -> None:
        """Waits for the reply to every mail under way, each within its own time limits, then says goodbye."""
        idle, self._idle = self._idle, None
        if idle is not None:
            connections = [await idle.get() for _ in range(self.connections)]
            await asyncio.gather(*(connection.quit() for connection in connections))

    def _connection(self) -> Connection:
        return Connection(self.relay, self._context, self._timeouts)

    def __repr__(self) -> str:
        return f"SmtpTransport({self.relay.host}:{self.relay.port}, {self.relay.tls})"


def _tls_context(relay: Relay) -> ssl.SSLContext | None:
    if relay.tls is Tls.NONE:
        return None
    context = ssl.create_default_context()
    if relay.ca_file is not None:
        try:
            context.load_verify_locations(relay.ca_file)
        except (OSError, ssl.SSLError) as error:
            problem = error.strerror or "it holds no certificate"
            raise CertificateError(f"smtp.url: cannot use ca={relay.ca_file}: {problem}.") from error
    return context
