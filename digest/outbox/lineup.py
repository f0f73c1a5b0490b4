"""The mails of one Batch between two commits: which come next, which wait on a line, what was said of them.

Owns the lines it took from the transport and all that is in memory only; reads and leaves no rows. Everything here is
plain calls and callbacks, for it happens once per mail.
"""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterable
from datetime import datetime
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from digest.outbox import attempts, bell, crew, handing, handover, lines, mails, parking, record, replies
from digest.outbox.mails import Mail
from digest.outbox.transports import transport as transports

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


class Lineup:
    """Everything of one Batch that is under way in this process."""

    def __init__(self, sender: crew.Sender, *, is_urgent: bool) -> None:
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
        self._lines = lines.Lines(sender.transport, is_urgent=is_urgent)
        self._lost: dict[int, float] = {}
        self._is_blocked = False
        self._stuck_at = time.monotonic()
        self._bell = bell.Bell(lambda: self._ready)
        self._bell.watch(sender.stopping.wait, once=True)
        self._bell.watch(sender.transport.changed, lambda: bool(self.waiting))

    @property
    def on_wire(self) -> int:
        return len(self._on_wire)

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
        self._lines.give_back_dead()
        for _ in range(len(self.waiting)):
            relay = mails.pinned(self.waiting[0])
            line = self._lines.take(relay)
            if line is None:
                if relay is None:
                    break
                # Only its own relay will do for a mail in doubt; others need not wait behind it.
                self.waiting.rotate(-1)
                if wait := lines.wait_for(self._sender, relay):
                    late = self.waiting.pop()
                    late.verdict, late.ready = wait, None
                    self.stops.append(late)
                continue
            mail = self._mail(self.waiting.popleft(), line)
            if mail is None:
                self._lines.free(line)
                continue
            self._on_wire.add(mail)
            line.announce(mail.letter).add_done_callback(partial(self._announced, mail))
        if not self.waiting:
            self._lines.give_back()

    def write_ahead(self) -> None:
        """Write the letters the next commit will want, while servers are still busy with the last."""
        for proposal in list(itertools.islice(self.waiting, len(self._on_wire) // 2)):
            if self._letter(proposal) is None:
                self.waiting.remove(proposal)

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

    def _letter(self, proposal: handing.Proposal) -> transports.Letter | None:
        """The letter, or None for one that cannot be written: it must not stop the others."""
        if proposal.letter is None and (outcome := mails.write(self._sender, proposal)):
            self.settled.append(mails.settled(proposal, self._occasion, outcome))
        return proposal.letter

    def _announced(self, mail: Mail, heard: "asyncio.Future[replies.Reply]") -> None:
        """The server waits for the content, or has refused the mail."""
        if mail.is_abandoned or heard.cancelled():
            return mails.end(self._sender.gate, mail, None)
        reply = heard.result()
        self._on_wire.discard(mail)
        mail.announce = time.monotonic() - mail.announced_at
        if reply.wants_content:
            self.accepted.append(mail)
            return self._bell.news()
        self._lines.free(mail.line)
        row = mail.proposal.facts.row
        mails.end(self._sender.gate, mail, reply)
        if reply.lost and time.monotonic() - self._lost.setdefault(row.id, time.monotonic()) < LOST_SECONDS:
            self.waiting.appendleft(mail.proposal)
        else:
            self._judge(mail, reply)
        self._bell.news()

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
            if mails.pinned(self.waiting[0]) not in (None, mail.line.relay):
                return None
            if following := self._mail(self.waiting.popleft(), mail.line, behind=mail):
                return following
        return None

    def _answered(self, mail: Mail, heard: "asyncio.Future[replies.Reply]") -> None:
        self._on_wire.discard(mail)
        if mail.follower is None:
            self._lines.free(mail.line)
        else:
            # Until now the server had this one in hand.
            mail.follower.announced_at = time.monotonic()
        reply = heard.result()
        mails.end(self._sender.gate, mail, reply)
        if reply.lost and reply.stage is not replies.Stage.CONTENT:
            # The connection had gone before the first byte: no harm done, and no try.
            self.returned.append(mail)
        else:
            self._judge(mail, reply)
        mail.let_go()
        self._bell.news()

    def _judge(self, mail: Mail, reply: replies.Reply) -> None:
        settled, attempt = mails.judged(self._sender, mail, reply)
        self.settled.append(settled)
        self.attempts.append(attempt)

    # Around a commit

    async def put_off(self, connection: AsyncConnection, now: datetime) -> None:
        """What would wait here too long becomes `deferred` with the next commit."""
        self.stops += await self.parking.put_off(connection, self._occasion, now)

    def take(self) -> tuple[list[Mail], list[handing.Proposal]]:
        """What servers wait for, and what is not to be sent after all."""
        accepted, stops, self.accepted, self.stops = self.accepted, self.stops, [], []
        return accepted, stops

    def go(self, accepted: list[Mail], leaving: set[Mail], kept: set[Mail], now: datetime, *, is_late: bool) -> None:
        """Pour what was handed over. What is `kept` waits a moment longer: its readers are locked by somebody else."""
        for mail in accepted:
            if mail in leaving and not is_late:
                self.pour(mail, now)
            elif mail in leaving:
                # Its content has not left in time: the hand-over is given back.
                self.abandon(mail)
                self.returned.append(mail)
            elif mail in kept:
                self.accepted.append(mail)
                self._is_blocked = True
            else:
                self.abandon(mail)

    def abandon(self, mail: Mail) -> None:
        """It must not leave as it is. The connection is cut, for nothing else takes an announcement back."""
        mail.is_abandoned = True
        mails.end(self._sender.gate, mail, None)
        self._on_wire.discard(mail)
        self._lines.abandon(mail.line)
        self.todo.append(mail.proposal.id)

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
        await self._bell.silence()
        self._lines.give_back()
        self.parking.clear()

    # Waiting

    async def happening(self, gather_seconds: float) -> None:
        """Until a reply came in, and a moment longer for others to be committed with it."""
        patience = LINE_SECONDS if self._is_blocked else PARKED_SECONDS if self.parking else None
        self._is_blocked = False
        if not await self._bell.until(1, patience):
            return
        most = (len(self._on_wire) + self._ready) * 3 // 4
        if self._ready < most and gather_seconds:
            await self._bell.until(most, gather_seconds)

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

    async def line_free(self) -> None:
        """Until there may be a line; at least every half second, for all relays may be down."""
        await self._bell.any(LINE_SECONDS)
