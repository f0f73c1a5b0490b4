"""All lines to one relay: opened in the background, the last one given back taken first, closed when not needed.

Little traffic so keeps few lines. Owns the lines, reads and leaves no rows.
"""

import asyncio
import random
import ssl
from collections.abc import Callable

from digest import metrics
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import connection
from digest.outbox.transports.connection import SmtpLine
from digest.outbox.transports.pace import Pace
from digest.outbox.transports.relay import Relay, Timeouts

OPEN = metrics.gauge("digest_lines_open", "Connections to a relay that are open.", ("relay",))
BUSY = metrics.gauge("digest_lines_busy", "Connections to a relay that are in use.", ("relay",))
TROUBLE = metrics.gauge("digest_relay_trouble", "Whether a relay cannot be reached: 1 or 0.", ("relay",))

# Relays close idle connections after one to five minutes, and firewalls forget them without a word to either side.
# A forgotten one costs a full command timeout to find out; a fresh one costs some round trips.
IDLE_SECONDS = 60


class Trunk:
    """`share` is how many lines the other relays leave it; `news` is called when the next take may go otherwise."""

    def __init__(self, relay: Relay, most: int, timeouts: Timeouts, news: Callable[[], None]) -> None:
        self.relay = relay
        self.share = self.limit = most
        self.pace = Pace(most)
        self.held = 0
        self.context: ssl.SSLContext | None = None
        self._timeouts, self._news = timeouts, news
        self._lines: set[SmtpLine] = set()
        self._leaving: set[SmtpLine] = set()
        self._idle: list[tuple[SmtpLine, float]] = []
        self._opening: set[asyncio.Task[None]] = set()
        self._is_wanted = False
        self._is_closed = False

    @property
    def size(self) -> int:
        """Lines that are open or will soon be."""
        return len(self._lines) + len(self._opening)

    @property
    def room(self) -> int:
        """Lines that may be at work at the same time."""
        return min(self.share, self.pace.allowed)

    @property
    def load(self) -> float:
        return self.held / self.relay.weight

    @property
    def trouble(self) -> Reply | None:
        """Why it cannot be reached, if nothing else is known of it."""
        return self.pace.trouble if all(line.is_over for line in self._lines) else None

    def take(self) -> SmtpLine | None:
        while self._idle and self.held < self.room:
            line, _ = self._idle.pop()
            if line.is_usable:
                self.held += 1
                return line
            self._forget(line)
        return None

    def give_back(self, line: SmtpLine) -> None:
        self.held -= 1
        if line.served:
            self.pace.trouble = None
        if line.is_over:
            self._forget(line)
        elif not line.is_usable or self._is_closed or len(self._lines) > self.room:
            self._hang_up(line)
        else:
            self._idle.append((line, self._now()))
        self._news()

    def open_more(self, free: int) -> None:
        """Begin to open lines, as many as pace and `free` places allow. A resting relay is tried when it has rested."""
        self._is_wanted = True
        if self._now() < self.pace.rests_until:
            return
        for _ in range(min(free, self.room - self.size, self.pace.at_once - len(self._opening))):
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opening.discard)

    def tick(self, now: float, free: int) -> None:
        """What time brings: silence, idleness, the end of a rest."""
        for line in (*self._lines, *self._leaving):
            line.expire(now)
        self._leaving = {line for line in self._leaving if not line.is_over}
        for line, since in list(self._idle):
            if line.is_over:
                self._drop_idle(line)
                self._forget(line)
            elif now - since >= IDLE_SECONDS or len(self._lines) > self.room:
                self._drop_idle(line)
                self._hang_up(line)
        self._retire_surplus()
        if self.pace.allowed < self.limit:
            self.pace.grow(now)
        if self._is_wanted and self.pace.failures and now >= self.pace.rests_until:
            self.open_more(free)
        self._measure()

    def _measure(self) -> None:
        """Once in a while is enough for whoever looks every some seconds, and costs nothing per mail."""
        OPEN.labels(self.relay.name).set(len(self._lines))
        BUSY.labels(self.relay.name).set(self.held)
        TROUBLE.labels(self.relay.name).set(self.trouble is not None)

    def _retire_surplus(self) -> None:
        """Lines at work beyond what is allowed by now end with the mail they are at; a long Edition would keep them."""
        working = [line for line in self._lines if line.is_usable]
        for line in working[: max(len(working) - self.room, 0)]:
            line.retire()

    async def close(self) -> None:
        self._is_closed = True
        for task in self._opening:
            task.cancel()
        tasks = [*self._opening, *(asyncio.create_task(line.leave()) for line in (*self._lines, *self._leaving))]
        await asyncio.gather(*tasks, return_exceptions=True)
        self._idle.clear()

    async def _open(self) -> None:
        line = await connection.open_line(self.relay, self.context, self._timeouts)
        if isinstance(line, Reply):
            self._failed(line)
        else:
            self.pace.connected()
            self._is_wanted = False
            self._lines.add(line)
            self._idle.append((line, self._now()))
        self._news()

    def _forget(self, line: SmtpLine) -> None:
        self._lines.discard(line)
        words = line.last_words
        # A server that greets us and turns the first mail away has only put off its refusal. One that has taken mails
        # before just closes, as many do after so many mails.
        if words is not None and words.stage is Stage.MAIL and not line.served:
            self._failed(words)

    def _failed(self, reply: Reply) -> None:
        others = sum(not line.is_over for line in self._lines)
        self.pace.failed(reply, self._now(), others, random.random())

    def _drop_idle(self, line: SmtpLine) -> None:
        self._idle = [(other, since) for other, since in self._idle if other is not line]

    def _hang_up(self, line: SmtpLine) -> None:
        self._lines.discard(line)
        self._leaving.add(line)
        line.hang_up()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
