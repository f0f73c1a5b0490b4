"""What becomes of a Delivery after a reply: sent, try at, give up, or doubt; and who is to blame.

With `replies` the only place that reads reply codes. Pure: a reply and an attempt in, an outcome out; the Batch
records it. Only an address that is surely gone is suppressed; every other refusal leaves the reader as they are.
"""

import dataclasses
import enum
from collections.abc import Callable
from datetime import datetime, timedelta

from digest.outbox import replies
from digest.outbox.replies import Cause, Reply, Stage

REASON_LIMIT = 300


class Blame(enum.StrEnum):
    """Whose fault it is, hence what to do: look at the address, spare the destination, or raise an alarm."""

    ADDRESS = "address"
    DESTINATION = "destination"
    US = "us"


@dataclasses.dataclass(frozen=True, slots=True)
class Sent:
    """The server took responsibility."""


@dataclasses.dataclass(frozen=True, slots=True)
class TryAt:
    """Not now, perhaps later: the Delivery is deferred until `at`. `is_miss`: it was the reader's side that refused."""

    at: datetime
    blame: Blame
    reason: str
    is_miss: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class GiveUp:
    """Not this one. `suppress`: the address is surely gone. `is_late`: only its time is over, so it rolls on.
    `is_miss`: it was the reader's side that refused.
    """

    reason: str
    blame: Blame
    suppress: bool
    is_late: bool = False
    is_miss: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Doubt:
    """All content was written and no reply heard: it may have been accepted, and nobody can tell."""

    reason: str


Outcome = Sent | TryAt | GiveUp | Doubt


@dataclasses.dataclass(frozen=True, slots=True)
class Attempt:
    """The try that was answered: which one it was, counting from 1, when, and when its time is over."""

    tries: int
    now: datetime
    give_up_at: datetime


@dataclasses.dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before the next try. Each wait doubles, up to `longest`.

    RFC 5321 §4.5.4.1 asks for 30 minutes or more towards a destination, and leaves room for better strategies. Grey
    lists open after five to ten minutes and Gmail's advice for 4.7.28 begins with ten, so both get `soon`. Our own
    relay is no destination: it may be back in a minute, with a whole Edition waiting for it.
    """

    normal: timedelta = timedelta(minutes=30)
    soon: timedelta = timedelta(minutes=10)
    relay: timedelta = timedelta(minutes=2)
    longest: timedelta = timedelta(hours=4)

    def wait(self, cause: Cause, tries: int, chance: float) -> timedelta:
        """`chance` in [0, 1) adds up to a quarter, so that a list deferred at once does not return at once."""
        # Beyond 2^10 the ceiling is long reached; the cap keeps a corrupt count from overflowing.
        grown = min(self._first(cause) * (1 << min(max(tries, 1) - 1, 10)), self.longest)
        return grown + grown * 0.25 * chance

    def _first(self, cause: Cause) -> timedelta:
        if cause in (Cause.RELAY, Cause.LOGIN):
            return self.relay
        return self.soon if cause in (Cause.GREYLISTED, Cause.RATE) else self.normal


PATIENCE = Patience()
SENT = Sent()


def is_sent(reply: Reply) -> bool:
    """Whether the server took responsibility for the mail."""
    return reply.stage is Stage.CONTENT and 200 <= reply.code < 300


def judge(reply: Reply, attempt: Attempt, *, random: Callable[[], float], patience: Patience = PATIENCE) -> Outcome:
    """What becomes of a Delivery. `random` gives a number in [0, 1)."""
    if is_sent(reply):
        return SENT
    # Silence or gibberish after the content. A 4xx or 5xx says clearly that it was not taken.
    if reply.stage is Stage.CONTENT and not 400 <= reply.code < 600:
        return Doubt(_reason("no reply to the content", reply))
    cause = replies.diagnose(reply)
    blame, reason, is_miss = _blame(cause, reply.stage), _reason(cause, reply), _is_miss(cause, reply.stage)
    if _is_final(cause, reply):
        suppress = cause is Cause.GONE and reply.stage is not Stage.MAIL
        return GiveUp(reason, blame, suppress=suppress, is_miss=is_miss)
    at = attempt.now + patience.wait(cause, attempt.tries, random())
    if at >= attempt.give_up_at:
        return GiveUp(reason, blame, suppress=False, is_late=True, is_miss=is_miss)
    return TryAt(at, blame, reason, is_miss)


def _is_final(cause: Cause, reply: Reply) -> bool:
    """A 5xx is never answered with the same again (RFC 5321 §4.2.1), provided it was said about this mail.

    A relay that turns us away at the door has refused no mail: once a password is mended, what waited can go.
    """
    about_this_mail = reply.stage not in (Stage.CONNECT, Stage.AUTH) and cause is not Cause.LOGIN
    return about_this_mail and 500 <= reply.code < 600


def _blame(cause: Cause, stage: Stage) -> Blame:
    if stage in (Stage.CONNECT, Stage.AUTH):
        return Blame.US
    if cause in (Cause.GONE, Cause.MAILBOX) or (cause is Cause.UNKNOWN and stage is Stage.RCPT):
        return Blame.ADDRESS
    ours = (Cause.QUOTA, Cause.CONTENT, Cause.PROTOCOL, Cause.SENDER, Cause.LOGIN, Cause.RELAY)
    return Blame.US if cause in ours else Blame.DESTINATION


# What a mailbox or its server does. That a provider dislikes us, our pace or our set-up says nothing about a reader.
_MISSES = (Cause.GONE, Cause.MAILBOX, Cause.GREYLISTED, Cause.NETWORK, Cause.SYSTEM, Cause.UNKNOWN)


def _is_miss(cause: Cause, stage: Stage) -> bool:
    """Whether this refusal speaks of the reader; before RCPT nobody knew whom the mail was for."""
    return cause in _MISSES and stage in (Stage.RCPT, Stage.DATA, Stage.CONTENT)


def _reason(what: str, reply: Reply) -> str:
    said = replies.without_addresses(reply.text) or "no words"
    return f"{what}: {reply.code or ''} {said}".replace("  ", " ")[:REASON_LIMIT]
