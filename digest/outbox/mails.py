"""One mail on a line, and what is written down of it: the result for its row, and the attempt for the log."""

import dataclasses
import random
import time
from datetime import datetime

import structlog

from digest import errors
from digest.outbox import attempts, crew, facts, gate, handing, handover, outcomes, record, replies
from digest.outbox.transports import transport as transports

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

    def let_go(self) -> None:
        """It is over: chained to the others of its line, it would keep every letter of the Batch in memory."""
        if self.follower:
            self.follower.behind = None
        self.follower = self.heir = None


def write(sender: crew.Sender, proposal: handing.Proposal) -> outcomes.Outcome | None:
    """Have its letter written; what becomes of a mail that cannot be."""
    ready, row = proposal.ready, proposal.facts.row
    assert ready is not None
    made = sender.trap(lambda: sender.desk.writer.letter(ready, row, sender.clock()))
    if isinstance(made, transports.Letter):
        proposal.letter = made
        return None
    if isinstance(made, errors.DigestError):
        return outcomes.GiveUp(str(made), outcomes.Blame.ADDRESS, suppress=False, is_miss=True)
    log.error("mail_failed", delivery=row.id, exc_info=made)
    later = sender.clock() + sender.patience.normal
    return outcomes.TryAt(later, outcomes.Blame.US, f"a bug in digest: {type(made).__name__}")


def judged(sender: crew.Sender, mail: Mail, reply: replies.Reply) -> tuple[record.Settled, attempts.Attempt]:
    """What this reply means, for the row and for the log."""
    if outcomes.is_sent(reply):
        outcome: outcomes.Outcome = outcomes.SENT
    else:
        row = mail.proposal.facts.row
        tried = outcomes.Attempt(row.tries + 1, sender.clock(), facts.attempt_until(row, mail.occasion))
        outcome = outcomes.judge(reply, tried, random=random.random, patience=sender.patience)
    found = settled(mail.proposal, mail.occasion, outcome, mail.handed_at, code=reply.code or None)
    found.relay, found.doubt_pause = mail.line.relay, sender.doubt_pause
    return found, attempt(mail, reply, outcome)


def end(keeper: gate.Gate, mail: Mail, reply: replies.Reply | None) -> None:
    """Its place is another's; what was said tells how many may follow. Without a reply it never left."""
    if mail.is_over:
        return
    mail.is_over = True
    if mail.behind and mail.behind.heir is mail and not mail.behind.is_over:
        # It ends before it came into its own.
        mail.behind.heir = None
        keeper.end(mail.way, reply, leaves=False)
    else:
        keeper.end(mail.way, reply, leaves=mail.heir is None)


def pinned(proposal: handing.Proposal) -> str | None:
    """The relay a mail in doubt must go to again: only there it can be known as the same."""
    row = proposal.facts.row
    return row.relay if facts.is_doubtful(row) else None


def settled(
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
        # A welcome settled its range when it was queued.
        upto=(row.upto if is_doubtful else proposal.upto) if occasion else None,
        local_date=occasion.local_date if occasion else None,
        is_instant=bool(occasion and occasion.is_instant),
        handed_over_at=handed_at or row.created_at,
        was_doubtful=is_doubtful,
        doubts=row.doubts,
        outcome=outcome,
        code=code,
        was_handed_over=handed_at is not None,
        first_tried_at=row.first_tried_at,
        is_elsewhere=row.kind in facts.ELSEWHERE,
    )


def attempt(mail: Mail, reply: replies.Reply, outcome: outcomes.Outcome) -> attempts.Attempt:
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
