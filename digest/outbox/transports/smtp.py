"""Mails to relays by SMTP, over lines that open in the background and serve many mails each.

Several relays share the lines by weight; one that cannot be reached rests, and the others take its share. Reads and
leaves no rows; what a reply means is for `outcomes` to say.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Sequence
from typing import Any

from digest import errors
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import connection, pace
from digest.outbox.transports.news import News
from digest.outbox.transports.relay import Relay, Timeouts, Tls
from digest.outbox.transports.transport import Line
from digest.outbox.transports.trunk import Trunk

TIMEOUTS = Timeouts()
# How often deadlines and idle lines are looked at: one timer for all lines instead of one for each mail.
TICK_SECONDS = 1.0


class CertificateError(errors.DigestError):
    """The file of certificate authorities cannot be used."""


class SmtpTransport:
    """At most `connections` lines over all relays."""

    def __init__(self, relays: Sequence[Relay], connections: int, timeouts: Timeouts = TIMEOUTS) -> None:
        limits = [min(relay.connections or connections, connections) for relay in relays]
        self.connections = min(connections, sum(limits))
        self.settings = tuple(relays)
        self._timeouts, self._news = timeouts, News()
        self._trunks = {
            relay.name: Trunk(relay, limit, timeouts, self._news.tell)
            for relay, limit in zip(relays, limits, strict=True)
        }
        self._timer: asyncio.TimerHandle | None = None

    @property
    def relays(self) -> tuple[str, ...]:
        return tuple(self._trunks)

    async def open(self) -> None:
        for trunk in self._trunks.values():
            # Reads the machine's authorities from disk: some ten milliseconds, once for all connections.
            trunk.context = await asyncio.to_thread(_tls_context, trunk.relay)
        self._tick()

    def take(self, relay: str | None = None, *, urgent: bool = False) -> Line | None:
        if self._timer is None:
            raise RuntimeError("take before open or after close")
        trunks = [self._trunks[relay]] if relay in self._trunks else []
        if relay is None:
            trunks = sorted(self._trunks.values(), key=lambda trunk: trunk.load)
        if not urgent and self._held() >= self._open_to_all():
            return None
        for trunk in trunks:
            if (line := trunk.take()) is not None:
                return line
        for trunk in trunks:
            trunk.open_more(self._free())
        return None

    def give_back(self, line: Line) -> None:
        assert isinstance(line, connection.SmtpLine)
        self._trunks[line.relay].give_back(line)

    def changed(self) -> Coroutine[Any, Any, None]:
        return self._news.next()

    def trouble(self, relay: str | None = None) -> Reply | None:
        trunks = [trunk for name, trunk in self._trunks.items() if relay in (None, name)]
        troubles = [trunk.trouble for trunk in trunks]
        return None if None in troubles or not troubles else troubles[0]

    async def probe(self) -> Reply:
        found = await asyncio.gather(*(self._probe(trunk) for trunk in self._trunks.values()))
        ready = [reply for reply in found if reply.code // 100 == 2]
        return Reply(250, "; ".join(reply.text for reply in found), Stage.CONNECT) if ready else found[0]

    async def close(self) -> None:
        """Waits for the reply to every mail under way, each within its own time limits, then says goodbye."""
        await asyncio.gather(*(trunk.close() for trunk in self._trunks.values()))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._news.tell()

    def _held(self) -> int:
        return sum(trunk.held for trunk in self._trunks.values())

    def _free(self) -> int:
        return self.connections - sum(trunk.size for trunk in self._trunks.values())

    def _open_to_all(self) -> int:
        """Lines for everybody: all but those kept for the urgent, who would else wait behind a long Edition."""
        room = min(self.connections, sum(trunk.room for trunk in self._trunks.values() if not trunk.trouble))
        return room - max(room // 8, 1) if room > 1 else 1

    def _deal(self) -> None:
        """Relays in trouble keep one place, to be tried again; the others share the rest."""
        well = [trunk for trunk in self._trunks.values() if not trunk.trouble]
        for trunk in self._trunks.values():
            trunk.share = 1
        wishes = [(trunk.relay.weight, min(trunk.limit, trunk.pace.allowed)) for trunk in well]
        total = self.connections - (len(self._trunks) - len(well))
        for trunk, share in zip(well, pace.shares(total, wishes), strict=True):
            trunk.share = share

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._deal()
        for trunk in self._trunks.values():
            trunk.tick(loop.time(), self._free())
        # Short limits, as in tests, are kept as well as long ones.
        shortest = min(self._timeouts.connect, self._timeouts.command, self._timeouts.content)
        self._timer = loop.call_later(min(TICK_SECONDS, shortest / 4), self._tick)

    async def _probe(self, trunk: Trunk) -> Reply:
        relay = trunk.relay
        line = await connection.open_line(relay, trunk.context, self._timeouts)
        if isinstance(line, Reply):
            return line
        line.hang_up()
        return Reply(250, f"{relay.host}:{relay.port} is ready", Stage.CONNECT)

    def __repr__(self) -> str:
        return f"SmtpTransport({', '.join(self._trunks)})"


def _tls_context(relay: Relay) -> ssl.SSLContext | None:
    if relay.tls is Tls.NONE:
        return None
    context = ssl.create_default_context()
    if relay.ca_file is not None:
        try:
            context.load_verify_locations(relay.ca_file)
        except (OSError, ssl.SSLError) as error:
            problem = error.strerror or "it holds no certificate"
            raise CertificateError(f"relay {relay.name}: cannot use ca={relay.ca_file}: {problem}.") from error
    return context
