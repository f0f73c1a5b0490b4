"""May one more mail start now? One gate per process, asked for every mail by all of its Batches.

Brings together windows, pauses, rates and the warm-up. Answers from memory, with tokens taken before; `settle` and
`look` bring memory and database together, some times a second and only where there is anything to tell. Reads and
leaves rows only through `throttle`, `pauses` and `warmup`.
"""

import dataclasses
import enum
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.outbox import destinations, pauses, throttle, warmup, windows
from digest.outbox.exchangers import Exchangers
from digest.outbox.replies import Reply
from digest.outbox.windows import Key, Signal

# How old the view of what others paused may be.
LOOK_SECONDS = 2.0
# Mails that may not start yet are kept in memory for as many as can go in this time. A little longer than
# until those that were put off are looked for again, or tokens would find no mail.
KEPT_SECONDS = 2.5
# Batches that commit in between share what one of them took: a tenth of what a bucket holds.
TAKE_SECONDS = 0.05
# A notice need not wait behind an Edition: it may go beyond a full window by so many.
URGENT_EXTRA = 2
# How many mails per second a destination is expected to take again after a pause.
AFTER_PAUSE = 10.0


class Why(enum.StrEnum):
    """What holds a mail back; the value is the reason it is deferred with."""

    PAUSE = pauses.PAUSED
    WINDOW = "the destination takes no more at once"
    RATE = "the rate that was set is used up"
    WARMUP = "the day's mails are used up while the domain warms up"


class Block(NamedTuple):
    """What holds a mail back: why, and where. For the warm-up, `key` is ("", From domain)."""

    why: Why
    key: Key


class Way(NamedTuple):
    """Where a mail is going: over which relay, to which destination, and from which domain."""

    relay: str
    destination: str
    domain: str


@dataclasses.dataclass(frozen=True)
class Rules:
    """What the operator set. `is_careful`: the warm-up plan holds."""

    limits: throttle.Limits = dataclasses.field(default_factory=throttle.Limits)
    shape: windows.Shape = dataclasses.field(default_factory=windows.Shape)
    is_careful: bool = False


class Gate:
    def __init__(
        self,
        rules: Rules,
        *,
        exchangers: Exchangers | None = None,
        chance: Callable[[], float] = random.random,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`exchangers` tell providers by their MX records; without them only the table of destinations does."""
        self.rules = rules
        self._exchangers = exchangers
        self.windows = windows.Windows(rules.shape, seconds)
        self.pauses = pauses.Pauses(chance)
        self.rations = warmup.Rations()
        self._tokens = throttle.Tokens(rules.limits)
        self._is_limited = rules.is_careful or rules.limits.are_any
        self._seconds, self._looked_at, self._took_at = seconds, float("-inf"), float("-inf")
        self.kept_seconds = KEPT_SECONDS
        # How many all Batches of this process keep waiting.
        self.held: Counter[Block] = Counter()
        self._stock: Counter[Key] = Counter()
        self._wanted: Counter[Key] = Counter()

    def destination(self, address_key: str) -> str:
        """Where this address's mail goes."""
        if self._exchangers is None:
            return destinations.of_address(address_key)
        return self._exchangers.of(address_key.rpartition("@")[2])

    async def learn(self, address_keys: Iterable[str]) -> None:
        """Find out where their mail goes, if that is wished. Outside of any transaction, for DNS may be slow."""
        if self._exchangers is not None:
            await self._exchangers.learn({key.rpartition("@")[2] for key in address_keys})

    def admit(self, way: Way, now: datetime, *, is_urgent: bool = False, follows: bool = False) -> Block | None:
        """None: it may start, and counts as started. Else what holds it back.

        Urgent ones, which are few, may borrow a token, go beyond a window and never mind the warm-up; but where a
        destination turns us away they have to wait like all others. One that `follows` another to the same destination
        on the same line takes over its place in the window, unless there are too many in it already.
        """
        key = way[:2]
        if self.pauses.any and self.pauses.until(key, now):
            return Block(Why.PAUSE, key)
        room = self.windows.room(key) + follows
        if room <= 0 and not (is_urgent and room > -URGENT_EXTRA):
            return Block(Why.WINDOW, key)
        needs = self._needs(way) if self._is_limited else ()
        for need in needs:
            if self._stock[need] <= (-1 if is_urgent else 0) and not (is_urgent and not need[0]):
                self._wanted[need] += 1
                return Block(Why.RATE if need[0] else Why.WARMUP, need)
        for need in needs:
            self._stock[need] -= 1
        if not follows:
            self.windows.started(key)
        return None

    def _needs(self, way: Way) -> tuple[Key, ...]:
        bound = self.rules.limits.binding(way.relay, way.destination)
        return (*bound, ("", way.domain)) if self.rules.is_careful else bound

    def end(self, way: Way, reply: Reply | None, *, leaves: bool = True) -> None:
        """A mail that was admitted is over; without a reply it never left, and its tokens are there for another.

        `leaves`: its place in the window is free now; false if another one has it.
        """
        key = way[:2]
        if reply is None:
            self.windows.ended(key, Signal.NEUTRAL, leaves=leaves)
            self._stock.update(self._needs(way) if self._is_limited else ())
            return
        verdict = pauses.read(reply)
        self.windows.ended(key, verdict.signal, leaves=leaves)
        self.pauses.hear(key, reply, verdict)

    def room(self, block: Block, count: int, now: datetime) -> int:
        """How many of so many that are held back may try again."""
        if block.why is Why.PAUSE:
            return 0 if self.pauses.until(block.key, now) else min(count, max(self.windows.room(block.key), 0))
        if block.why is Why.WINDOW:
            return min(count, max(self.windows.room(block.key), 0))
        there = self._stock[block.key]
        if there < count:
            self._wanted[block.key] = max(self._wanted[block.key], count - there)
        return min(count, max(there, 0))

    @property
    def is_unsettled(self) -> bool:
        """Whether there is something to ask of the database, or to tell it."""
        return self.pauses.is_unsettled or (self._is_short and self._may_take)

    @property
    def _is_short(self) -> bool:
        return bool(self._wanted) or any(count < 0 for count in self._stock.values())

    @property
    def _may_take(self) -> bool:
        return self._seconds() - self._took_at >= TAKE_SECONDS

    async def look(self, connection: AsyncConnection, now: datetime) -> None:
        """See what others have paused, unless that was a moment ago."""
        if self._seconds() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = self._seconds()
        for key in await self.pauses.refresh(connection, now):
            self.windows.restart(key)

    async def settle(self, connection: AsyncConnection, now: datetime) -> None:
        """Tell what was heard of destinations, and take tokens. Do this last in a transaction."""
        for key in await self.pauses.settle(connection, now):
            self.windows.restart(key)
        if self._is_limited and self._is_short and self._may_take:
            self._took_at = self._seconds()
            await self._take(connection, now)

    async def _take(self, connection: AsyncConnection, now: datetime) -> None:
        wanted, self._wanted = self._wanted, Counter()
        for key in sorted(key for key, count in self._stock.items() if count < 0):
            if key[0]:
                wanted[key] -= self._stock[key]
            else:
                await self.rations.owe(connection, key[1], -self._stock.pop(key), now)
        for key in sorted(key for key in wanted if not key[0]):
            self._stock[key] += await self.rations.take(connection, key[1], wanted.pop(key), now)
        self._stock.update(await self._tokens.take(connection, wanted))

    def excess(self, block: Block, now: datetime) -> int:
        """How many of those held back by this should not go on waiting in memory.

        Few may, for a Batch that waits for them takes the place of another; but without any there would be nobody to
        take what comes free.
        """
        if block.why is Why.PAUSE:
            return self.held[block]
        if block.why is Why.WARMUP:
            return self.held[block] if self.rations.is_used_up(block.key[1], now) else 0
        return self.held[block] - int(self._rate(block) * self.kept_seconds)

    def _rate(self, block: Block) -> float:
        if block.why is Why.PAUSE:
            return AFTER_PAUSE
        return self.rules.limits.rate(block.key) or max(1.0, self.windows.pace(block.key))

    async def put_off(self, connection: AsyncConnection, block: Block, count: int, now: datetime) -> list[timedelta]:
        """How long so many mails held back by this should wait before they are tried again."""
        after = throttle.PATIENCE_SECONDS
        if block.why is Why.PAUSE and (until := self.pauses.until(block.key, now)):
            after = max(after, (until - now).total_seconds())
        return await self._tokens.put_off(connection, block.key, count, rate=self._rate(block), after=after)
