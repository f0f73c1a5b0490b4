"""Destinations that turn us away, and when we may knock again.

Reads replies and rows of `pauses`; leaves such rows, which hold for every process and machine. A pause spares the
destination and the mails: it puts them off and touches no reader. When it is over one connection of one process tries
first, as Gmail asks of senders it has slowed down (4.7.28); the others follow once a mail was accepted.
"""

import dataclasses
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors, sql
from digest.outbox import models, replies
from digest.outbox.replies import Cause, Reply, Stage
from digest.outbox.windows import Key, Signal

# So many refusals in a row, without an acceptance between them, are about us and not about a mail.
STRIKES = 5
# "Stop at least ten minutes" (Gmail); each failed try doubles it, up to as long as one mail waits between two tries.
FIRST = timedelta(minutes=10)
LONGEST = timedelta(hours=4)
# Whoever tries first has longer than any server takes to answer; then somebody else may, should that process be gone.
TRY = timedelta(minutes=6)
# Meanwhile the others look again this often.
KNOCK = timedelta(minutes=1)
REASON_LIMIT = 300
PAUSED = "the destination is paused"
PUT_OFF = "throttled, "
# A pause that nobody had mail for is forgotten after this.
STALE = timedelta(days=1)

# Before RCPT a relay cannot know where the mail is going, so nothing it says until then is about a destination.
_ABOUT_DESTINATION = (Stage.RCPT, Stage.DATA, Stage.CONTENT)
_SLOWER = (Cause.GREYLISTED, Cause.RATE, Cause.REPUTATION, Cause.SYSTEM, Cause.NETWORK)
_REFUSED = (Cause.RATE, Cause.REPUTATION, Cause.POLICY)


class PauseError(errors.DigestError):
    """There is no such pause."""


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """What one reply says about the way to a destination. `is_strike`: it turned us away, not this mail."""

    signal: Signal
    is_strike: bool = False
    is_final: bool = False


ACCEPTED, NEUTRAL = Verdict(Signal.ACCEPTED), Verdict(Signal.NEUTRAL)


def read(reply: Reply) -> Verdict:
    """How a destination's window and pause should take this reply."""
    if reply.stage is Stage.CONTENT and 200 <= reply.code < 300:
        return ACCEPTED
    if reply.stage not in _ABOUT_DESTINATION or reply.code < 400:
        return NEUTRAL
    cause = replies.diagnose(reply)
    is_busy = reply.code == 421 and cause in _SLOWER
    is_final = replies.enhanced(reply.text) == "4.7.28"
    signal = Signal.SINGLE if is_busy or is_final else Signal.SLOWER if cause in _SLOWER else Signal.NEUTRAL
    return Verdict(signal, is_busy or cause in _REFUSED, is_final)


@dataclasses.dataclass(slots=True)
class _Heard:
    strikes: int = 0
    reason: str = ""
    is_due: bool = False  # enough to pause
    is_over: bool = False  # the pause can end: a mail was accepted


class Pauses:
    """The pauses as one process sees them, and what it heard since it last wrote. `random` gives [0, 1)."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._heard: dict[Key, _Heard] = {}
        self._until: dict[Key, datetime] = {}
        self._wanted: set[Key] = set()
        self._trying: dict[Key, datetime] = {}

    @property
    def any(self) -> bool:
        return bool(self._until)

    def until(self, key: Key, now: datetime) -> datetime | None:
        """Until when nothing should go there; None: go. `now` itself: ask again after the next `settle`."""
        until = self._until.get(key)
        if until is None or key in self._trying:
            return None
        if until > now:
            return until
        self._wanted.add(key)
        return now

    def hear(self, key: Key, reply: Reply, verdict: Verdict) -> None:
        """Remember what was said. Next to nothing for the many mails that are accepted."""
        if verdict.signal is Signal.ACCEPTED:
            if (self._heard or self._trying) and (key in self._heard or key in self._trying):
                self._heard[key] = _Heard(is_over=key in self._trying)
        elif verdict.is_strike:
            heard = self._heard.setdefault(key, _Heard())
            heard.strikes += 1
            heard.reason = replies.without_addresses(f"{reply.code} {reply.text}")[:REASON_LIMIT]
            heard.is_over = False
            heard.is_due = heard.is_due or verdict.is_final or heard.strikes >= STRIKES or key in self._trying

    @property
    def is_unsettled(self) -> bool:
        """Whether there may be something to write."""
        return bool(self._wanted or self._heard)

    async def settle(self, connection: AsyncConnection, now: datetime) -> set[Key]:
        """Write pauses that are due or over, and ask for the first try where it is wanted. Mostly does nothing.

        Returns the keys where this process tries first.
        """
        for key in sorted(key for key, heard in self._heard.items() if heard.is_due or heard.is_over):
            await self._write(connection, key, self._heard.pop(key), now)
        for key in [key for key, until in self._trying.items() if until <= now]:
            del self._trying[key]
        wanted, self._wanted = sorted(self._wanted), set()
        ours = {key for key in wanted if await _claim(connection, key, now)}
        self._trying |= dict.fromkeys(ours, now + TRY)
        self._until |= {key: now + KNOCK for key in wanted if key not in ours}
        return ours

    async def _write(self, connection: AsyncConnection, key: Key, heard: _Heard, now: datetime) -> None:
        self._trying.pop(key, None)
        if heard.is_due:
            self._until[key] = await _pause(connection, key, heard.reason, now, self._random())
        else:
            self._until.pop(key, None)
            await connection.execute(sa.delete(models.Pause).where(_is(key)))

    async def refresh(self, connection: AsyncConnection, now: datetime) -> set[Key]:
        """See what others wrote. Returns the keys whose pause is over since the last look."""
        before, self._until = self._until, {}
        for row in await listing(connection):
            others_try = row.try_until is not None and row.try_until > now
            self._until[row.relay, row.destination] = max(row.until, now + KNOCK) if others_try else row.until
        self._trying = {key: until for key, until in self._trying.items() if key in self._until}
        return before.keys() - self._until.keys()


def _is(key: Key) -> sa.ColumnElement[bool]:
    return sa.and_(models.Pause.relay == key[0], models.Pause.destination == key[1])


async def _pause(connection: AsyncConnection, key: Key, reason: str, now: datetime, chance: float) -> datetime:
    """Pause, or find that somebody has. What is heard during a pause was on its way before it, and does not count."""
    pause = models.Pause
    known = (await connection.execute(sa.select(pause).where(_is(key)).with_for_update())).one_or_none()
    if known is not None and known.until > now:
        until: datetime = known.until
        return until
    level = known.level + 1 if known is not None else 0
    until = now + _length(level, chance)
    values = {"until": until, "reason": reason, "level": level, "try_until": None}
    new = sql.insert(connection, pause).values(relay=key[0], destination=key[1], since=now, **values)
    await connection.execute(new.on_conflict_do_update(index_elements=["relay", "destination"], set_=values))
    return until


def _length(level: int, chance: float) -> timedelta:
    """Up to a quarter longer than asked, so that several senders do not come back together."""
    length = min(FIRST * (1 << min(level, 10)), LONGEST)
    return length + length * 0.25 * chance


async def _claim(connection: AsyncConnection, key: Key, now: datetime) -> bool:
    """Whether this process may try first."""
    pause = models.Pause
    is_free = sa.or_(pause.try_until.is_(None), pause.try_until <= now)
    claim = sa.update(pause).where(_is(key), pause.until <= now, is_free).values(try_until=now + TRY)
    return (await connection.execute(claim)).rowcount == 1


async def listing(connection: AsyncConnection) -> Sequence[Any]:
    """All pauses, for people to see."""
    pause = models.Pause
    return (await connection.execute(sa.select(pause).order_by(pause.relay, pause.destination))).all()


async def lift(connection: AsyncConnection, destination: str, now: datetime) -> int:
    """End the pauses of a destination on all relays; how many mails may be tried again at once.

    Raises PauseError if there is none.
    """
    pause, delivery, bucket = models.Pause, models.Delivery, models.Bucket
    if not (await connection.execute(sa.delete(pause).where(pause.destination == destination))).rowcount:
        raise PauseError(f"'{destination}' is not paused; see: digest throttle list")
    await connection.execute(sa.update(bucket).where(bucket.destination == destination).values(booked_to=0))
    is_waiting = sa.and_(
        sql.among(delivery.state, models.WAITING),
        delivery.state == models.DeliveryState.DEFERRED,
        delivery.reason == put_off_reason(PAUSED, destination),
        delivery.retry_at > now,
    )
    return (await connection.execute(sa.update(delivery).where(is_waiting).values(retry_at=now))).rowcount


def put_off_reason(why: str, where: str) -> str:
    """What is written into a Delivery that waits through no fault of its own. Counted by what is before the colon."""
    return f"{PUT_OFF}{why}: {where}"


async def prune(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(sa.delete(models.Pause).where(models.Pause.until < now - STALE))
