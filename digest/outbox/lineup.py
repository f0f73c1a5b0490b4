"""The mails of one Batch between two commits: which come next, which wait on a line, what was said of them.

Owns the lines it took from the transport and all that is in memory only; reads and leaves no rows. Everything here is
plain calls and callbacks, for it happens once per mail.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import random
import time
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from digest import errors
from digest.outbox import attempts, facts, gate, handing, handover, outcomes, parking, record, replies
from digest.outbox.transports import transport as transports

if TYPE_CHECKING:
    from digest.outbox.batch import Sender

# Deliveries looked at in one go: enough that a statement's own cost does not count, few enough that facts stay fresh.
CHUNK = 128
# A connection that ends while a mail is announced says nothing about the mail; so long after the first time it may.
# All lines of a relay that restarts end together, so a mail can meet several of them.
LOST_SECONDS = 10.0
# How often to ask whether there is a relay at all, while no line is to be had.
LINE_SECONDS = 0.5

# How often mails that may not start yet are asked for again: a bucket holds its tokens for half a second.
PARKED_SECONDS = 0.1
# With nothing else to send, so long is waited for tokens and windows before mails are put off.
OPENING_SECONDS = 0.25

log = structlog.get_logger()


@dataclasses.dataclass(slots=True, eq=False)
class Mail:
    """One letter on a line. `behind` is the mail whose content was on the line when this one was announced.

    `heir` is the one announced behind this, if it goes to the same destination: it takes over the place there.
    """

    proposal: handing.Proposal
    letter: transports.Letter
    line: transports.Line
    occasion: handover.Occasion | None
    announced_at: float
    way: gate.Way
    behind: "Mail | None" = None
    heir: "Mail | None" = None
    handed_at: datetime | None = None
    # Seconds: how long the server took to ask for the content, and when that was poured.
    announce: float | None = None
    poured_at: float = 0.0
    is_abandoned: bool = False
    follower: "Mail | None" = None
    is_over: bool = False

    @property
    def at_try(self) -> tuple[int, int, bool]:
        row = self.proposal.facts.row
        return row.id, row.tries + 1, facts.is_doubtful(row)


class Lineup:
    """Everything of one Batch that is under way in this process."""

    def __init__(self, sender: "Sender", *, is_urgent: bool) -> None:
        self._sender, self._is_urgent = sender, is_urgent
        self._occasion: handover.Occasion | None = None
        self.todo: deque[int] = deque()
        self.waiting: deque[handing.Proposal] = deque()
        self.parking = parking.Parking(sender.gate, is_urgent=is_urgent)
        self.stops: list[handing.Proposal] = []
        self.accepted: list[Mail] = []
        self.settled: list[record.Settled] = []
        self.attempts: list[attempts.Attempt] = []
        self.returned: list[Mail] = []
        self._on_wire: set[Mail] = set()
        self._idle: list[transports.Line] = []
        self._lost: dict[int, float] = {}
        self._is_blocked = False
        self._stuck_at = time.monotonic()
        self._woken, self._enough = asyncio.Event(), 1
        self._watching = [
            asyncio.create_task(self._watch(sender.transport.changed)),
            asyncio.create_task(self._watch(sender.stopping.wait, once=True)),
        ]

    @property
    def is_on_wire(self) -> bool:
        return bool(self._on_wire)

    @property
    def can_announce(self) -> bool:
        """Whether there is anything yet to be announced."""
        return bool(self.todo or self.waiting)

    @property
    def is_stuck(self) -> bool:
        """Whether for a while there has been nothing but what may not start."""
        if self.can_announce or not self.parking:
            self._stuck_at = time.monotonic()
        is_long = time.monotonic() - self._stuck_at > OPENING_SECONDS
        return is_long and self.parking.is_overfull(self._sender.clock())

    # What comes next

    def next_ids(self) -> list[int]:
        """The next Deliveries to look at; none while enough are lined up."""
        if len(self.waiting) > len(self._on_wire) // 2:
            return []
        return [self.todo.popleft() for _ in range(min(CHUNK, len(self.todo)))]

    def add(self, proposals: Iterable[handing.Proposal], occasion: handover.Occasion | None) -> None:
        self._occasion = occasion
        for one in proposals:
            if one.ready is None:
                self.stops.append(one)
            else:
                self.waiting.append(one)

    def look_again(self, proposals: Iterable[handing.Proposal]) -> None:
        """Something about these has changed since they were looked at."""
        for one in proposals:
            self.todo.append(one.id)
            self._is_blocked = True

    # On the lines

    def announce(self) -> None:
        """Give every line to be had its next letter; give back those there is nothing for."""
        self.waiting.extendleft(reversed(self.parking.release(self._sender.clock())))
        self._give_back_dead()
        for _ in range(len(self.waiting)):
            relay = _pinned(self.waiting[0])
            line = self._line(relay)
            if line is None:
                if relay is None:
                    break
                # Only its own relay will do for a mail in doubt; others need not wait behind it.
                self.waiting.rotate(-1)
                if wait := self._wait_for(relay):
                    self._put_off(self.waiting.pop(), wait)
                continue
            mail = self._mail(self.waiting.popleft(), line)
            if mail is None:
                self._idle.append(line)
                continue
            self._on_wire.add(mail)
            line.announce(mail.letter).add_done_callback(partial(self._announced, mail))
        if not self.waiting:
            self._give_back_idle()

    def write_ahead(self) -> None:
        """Write the letters the next commit will want, while servers are still busy with the last."""
        for proposal in list(itertools.islice(self.waiting, len(self._on_wire) // 2)):
            if self._letter(proposal) is None:
                self.waiting.remove(proposal)

    def _line(self, relay: str | None) -> transports.Line | None:
        for place, line in enumerate(self._idle):
            if relay in (None, line.relay):
                return self._idle.pop(place)
        return self._sender.transport.take(relay, urgent=self._is_urgent)

    def _wait_for(self, relay: str) -> handover.Wait | None:
        """How long a mail in doubt must wait for a relay that no line will lead to for now, though to others."""
        transport, patience = self._sender.transport, self._sender.patience
        if relay not in transport.relays:
            return handover.Wait(
                self._sender.clock() + patience.normal, f"relay {relay} is not in the settings any more"
            )
        if transport.trouble(relay) and not transport.trouble():
            return handover.Wait(self._sender.clock() + patience.relay, f"relay {relay} cannot take mail")
        return None

    def _put_off(self, proposal: handing.Proposal, wait: handover.Wait) -> None:
        proposal.verdict, proposal.ready = wait, None
        self.stops.append(proposal)

    def _give_back_dead(self) -> None:
        """Lines that ended while nothing was on them: a mail announced there would only hear that."""
        for line in [line for line in self._idle if not line.is_usable]:
            self._idle.remove(line)
            self._sender.transport.give_back(line)

    def _give_back_idle(self) -> None:
        for line in self._idle:
            self._sender.transport.give_back(line)
        self._idle.clear()

    def _mail(self, proposal: handing.Proposal, line: transports.Line, behind: Mail | None = None) -> Mail | None:
        """The mail on this line; None if it may not start yet, or cannot be written."""
        before = behind.way if behind else None
        way = self.parking.admit(line.relay, proposal, self._sender.clock(), behind=before)
        if way is None:
            return None
        letter = self._letter(proposal)
        if letter is None:
            self._sender.gate.end(way, None, leaves=way != before)
            return None
        mail = Mail(proposal, letter, line, self._occasion, time.monotonic(), way, behind)
        if behind and behind.way == way:
            behind.heir = mail
        return mail

    def _end(self, mail: Mail, reply: replies.Reply | None) -> None:
        """Its place is another's; what was said tells how many may follow. Without a reply it never left."""
        if mail.is_over:
            return
        mail.is_over = True
        if mail.behind and mail.behind.heir is mail and not mail.behind.is_over:
            # It ends before it came into its own.
            mail.behind.heir = None
            self._sender.gate.end(mail.way, reply, leaves=False)
        else:
            self._sender.gate.end(mail.way, reply, leaves=mail.heir is None)

    def _letter(self, proposal: handing.Proposal) -> transports.Letter | None:
        """The letter, or None for one that cannot be written: it must not stop the others."""
        if proposal.letter is not None:
            return proposal.letter
        ready, row = proposal.ready, proposal.facts.row
        assert ready is not None
        made = self._sender.trap(lambda: self._sender.desk.writer.letter(ready, row, self._sender.clock()))
        if isinstance(made, transports.Letter):
            proposal.letter = made
            return made
        if isinstance(made, errors.DigestError):
            outcome: outcomes.Outcome = outcomes.GiveUp(str(made), outcomes.Blame.ADDRESS, suppress=False, is_miss=True)
        else:
            log.error("mail_failed", delivery=row.id, exc_info=made)
            later = self._sender.clock() + self._sender.patience.normal
            outcome = outcomes.TryAt(later, outcomes.Blame.US, f"a bug in digest: {type(made).__name__}")
        self.settled.append(_settled(proposal, self._occasion, outcome))
        return None

    def _announced(self, mail: Mail, heard: "asyncio.Future[replies.Reply]") -> None:
        """The server waits for the content, or has refused the mail."""
        if mail.is_abandoned or heard.cancelled():
            return self._end(mail, None)
        reply = heard.result()
        self._on_wire.discard(mail)
        mail.announce = time.monotonic() - mail.announced_at
        if reply.wants_content:
            self.accepted.append(mail)
            return self._news()
        self._free(mail.line)
        row = mail.proposal.facts.row
        self._end(mail, reply)
        if reply.lost and time.monotonic() - self._lost.setdefault(row.id, time.monotonic()) < LOST_SECONDS:
            self.waiting.appendleft(mail.proposal)
        else:
            self._judge(mail, reply)
        self._news()

    def pour(self, mail: Mail, now: datetime) -> None:
        """Its hand-over is committed: the content leaves, and the next mail is announced right behind it."""
        mail.handed_at, mail.poured_at = now, time.monotonic()
        following = self._following(mail)
        self._on_wire.add(mail)
        content, announced = mail.line.pour(following.letter if following else None)
        content.add_done_callback(partial(self._answered, mail))
        if following and announced:
            mail.follower = following
            self._on_wire.add(following)
            announced.add_done_callback(partial(self._announced, following))

    def _following(self, mail: Mail) -> Mail | None:
        # A line that is not usable any more, though it lives, makes place for another relay or for fewer.
        while self.waiting and mail.line.is_usable and not self._sender.stopping.is_set():
            if _pinned(self.waiting[0]) not in (None, mail.line.relay):
                return None
            if following := self._mail(self.waiting.popleft(), mail.line, behind=mail):
                return following
        return None

    def _answered(self, mail: Mail, heard: "asyncio.Future[replies.Reply]") -> None:
        self._on_wire.discard(mail)
        if mail.follower is None:
            self._free(mail.line)
        else:
            # Until now the server had this one in hand.
            mail.follower.announced_at = time.monotonic()
        reply = heard.result()
        self._end(mail, reply)
        if reply.lost and reply.stage is not replies.Stage.CONTENT:
            # The connection had gone before the first byte: no harm done, and no try.
            self.returned.append(mail)
        else:
            self._judge(mail, reply)
        self._news()

    def _free(self, line: transports.Line) -> None:
        if line.is_usable:
            self._idle.append(line)
        else:
            self._sender.transport.give_back(line)

    def _judge(self, mail: Mail, reply: replies.Reply) -> None:
        row, sender = mail.proposal.facts.row, self._sender
        if outcomes.is_sent(reply):
            outcome: outcomes.Outcome = outcomes.SENT
        else:
            until = facts.attempt_until(row, mail.occasion)
            attempt = outcomes.Attempt(row.tries + 1, sender.clock(), until)
            outcome = outcomes.judge(reply, attempt, random=random.random, patience=sender.patience)
        self.attempts.append(_attempt(mail, reply, outcome))
        settled = _settled(mail.proposal, mail.occasion, outcome, mail.handed_at, code=reply.code or None)
        settled.relay, settled.doubt_pause = mail.line.relay, sender.doubt_pause
        self.settled.append(settled)

    # Around a commit

    async def put_off(self, connection: AsyncConnection, now: datetime) -> None:
        """What would wait here too long becomes `deferred` with the next commit."""
        self.stops += await self.parking.put_off(connection, self._occasion, now)

    def take_accepted(self) -> list[Mail]:
        taken, self.accepted = self.accepted, []
        return taken

    def take_stops(self) -> list[handing.Proposal]:
        taken, self.stops = self.stops, []
        return taken

    def take_attempts(self) -> list[attempts.Attempt]:
        taken, self.attempts = self.attempts, []
        return taken

    def keep(self, mails: list[Mail]) -> None:
        """Their readers are locked by somebody else: the server can wait a moment longer."""
        self.accepted += mails
        self._is_blocked |= bool(mails)

    def abandon(self, mail: Mail) -> None:
        """It must not leave as it is. The connection is cut, for nothing else takes an announcement back."""
        mail.is_abandoned = True
        self._end(mail, None)
        self._on_wire.discard(mail)
        mail.line.abandon()
        self._sender.transport.give_back(mail.line)
        self.todo.append(mail.proposal.id)

    def hand_back(self, mail: Mail, now: datetime) -> None:
        """Handed over, but its content has not left in time."""
        mail.handed_at = now
        self.abandon(mail)
        self.returned.append(mail)

    def undo(self, accepted: Iterable[Mail], stops: Iterable[handing.Proposal]) -> None:
        for mail in accepted:
            self.abandon(mail)
            self.returned.append(mail)
        self.look_again(stops)

    def withdraw(self) -> None:
        """Nothing more may leave: take back what is announced and not poured yet."""
        for mail in [*self.accepted, *(one for one in self._on_wire if one.handed_at is None)]:
            # Behind content that is not answered yet, cutting the connection would leave that one in doubt.
            if mail.behind not in self._on_wire:
                self.abandon(mail)
        self.accepted.clear()

    async def leave(self) -> None:
        """Hear what is said of every content on the wire, then give all lines back."""
        self.withdraw()
        while self._on_wire:
            await self.happening(0)
            self.withdraw()
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._give_back_idle()
        self.parking.clear()

    # Waiting

    async def happening(self, gather_seconds: float) -> None:
        """Until a reply came in, and a moment longer for others to be committed with it."""
        patience = LINE_SECONDS if self._is_blocked else PARKED_SECONDS if self.parking else None
        self._is_blocked = False
        if not await self._wake(1, patience):
            return
        most = (len(self._on_wire) + self._ready) * 3 // 4
        if self._ready < most and gather_seconds:
            await self._wake(most, gather_seconds)

    @property
    def is_blocked(self) -> bool:
        """Whether all that is left waits for somebody else's lock. Asking forgets it."""
        blocked, self._is_blocked = self._is_blocked, False
        return blocked

    @property
    def has_replies(self) -> bool:
        """Whether there is anything to commit."""
        return self._ready > 0

    @property
    def _ready(self) -> int:
        return len(self.accepted) + len(self.settled) + len(self.returned)

    async def _wake(self, enough: int, seconds: float | None) -> bool:
        """Wait for so many replies, a free line or a wish to stop; whether there are any replies."""
        self._enough = enough
        if self._ready < enough:
            self._woken.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._woken.wait()
        return self._ready > 0

    async def line_free(self) -> None:
        """Until there may be a line; at least every half second, for all relays may be down."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINE_SECONDS):
                await self._woken.wait()

    def _news(self) -> None:
        if self._ready >= self._enough:
            self._woken.set()

    async def _watch(self, wait: Any, once: bool = False) -> None:
        while True:
            await wait()
            if once or self.waiting:
                self._woken.set()
            if once:
                return


def _pinned(proposal: handing.Proposal) -> str | None:
    """The relay a mail in doubt must go to again: only there it can be known as the same."""
    row = proposal.facts.row
    return row.relay if facts.is_doubtful(row) else None


def _settled(
    proposal: handing.Proposal,
    occasion: handover.Occasion | None,
    outcome: outcomes.Outcome,
    handed_at: datetime | None = None,
    *,
    code: int | None = None,
) -> record.Settled:
    row = proposal.facts.row
    is_doubtful = facts.is_doubtful(row)
    return record.Settled(
        delivery_id=row.id,
        tries=row.tries + 1,
        subscription_id=row.subscription_id,
        address_key=row.address_key,
        upto=row.upto if is_doubtful else (proposal.upto if occasion else None),
        local_date=occasion.local_date if occasion else None,
        is_instant=bool(occasion and occasion.is_instant),
        handed_over_at=handed_at or row.created_at,
        was_doubtful=is_doubtful,
        doubts=row.doubts,
        outcome=outcome,
        code=code,
        was_handed_over=handed_at is not None,
        first_tried_at=row.first_tried_at,
    )


def _attempt(mail: Mail, reply: replies.Reply, outcome: outcomes.Outcome) -> attempts.Attempt:
    row, is_poured = mail.proposal.facts.row, mail.handed_at is not None
    return attempts.Attempt(
        row.id,
        row.edition_id,
        row.publication_id,
        row.subscription_id,
        mail.line.relay,
        mail.way.destination,
        row.tries + 1,
        reply,
        outcome,
        mail.announce,
        time.monotonic() - mail.poured_at if is_poured else None,
    )
