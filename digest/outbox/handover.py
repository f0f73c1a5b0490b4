"""Whether a queued Delivery may be handed over now, and if not, what becomes of it instead (pure).

The rules of the tiling: every range a reader gets follows the one before, whatever happened since the Delivery was
queued. All facts are read in the transaction that acts on the verdict, under the Subscription's row lock.
"""

import dataclasses
from datetime import date, datetime, timedelta

from digest.audience.models import SubscriptionState
from digest.editions import choose, plan
from digest.outbox.models import DeliveryState

# After this a digest is no news; its Articles are in the next one (RFC 5321 §4.5.4.1 gives up after 4-5 days).
STALE_AFTER = timedelta(hours=72)
# How soon to look again whether the mail before this one has been settled.
LOOK_AGAIN = timedelta(minutes=1)
# A first copy may have been accepted, so a doubtful mail is repeated twice at most.
MAX_DOUBTS = 3
# How long to wait before it is: longer each time, for the server may be in trouble.
DOUBT_PAUSE = timedelta(minutes=1)


@dataclasses.dataclass(frozen=True)
class Mail:
    """The Delivery as far as the rules go; `kind` is 'digest' or the name of a notice."""

    kind: str
    is_doubtful: bool
    doubts: int
    created_at: datetime


@dataclasses.dataclass(frozen=True)
class Reader:
    """The Subscription as it is now."""

    state: SubscriptionState
    cadence_id: int
    last_date: date | None
    last_instant_at: datetime | None
    paused_until: datetime | None
    is_suppressed: bool
    has_mail_in_flight: bool


@dataclasses.dataclass(frozen=True)
class Occasion:
    """The Edition as it is now. `local_date` is None for `instant` and send-now."""

    cadence_id: int
    local_date: date | None
    is_instant: bool
    planned_at: datetime
    is_cancelled: bool
    is_overtaken: bool
    next_due_at: datetime | None = None


@dataclasses.dataclass(frozen=True)
class Stop:
    """It ends here, in this state."""

    state: DeliveryState
    reason: str


@dataclasses.dataclass(frozen=True)
class Wait:
    """Not now; it has used up no try."""

    until: datetime
    reason: str


# In which states a Subscription may get which notice.
_NOTICES = {
    "confirm": (SubscriptionState.PENDING, SubscriptionState.FAILING),
    "welcome": (SubscriptionState.ACTIVE,),
    "goodbye": (SubscriptionState.UNSUBSCRIBED,),
    "already": (SubscriptionState.ACTIVE,),
    "changed": (SubscriptionState.ACTIVE,),
    # To a new address, which has to say yes, and to the old one, which has to as well.
    "address": (SubscriptionState.ACTIVE, SubscriptionState.FAILING),
    "moving": (SubscriptionState.ACTIVE, SubscriptionState.FAILING),
    # To an address that cannot be the new one, for it is somebody's.
    "taken": (SubscriptionState.ACTIVE, SubscriptionState.FAILING),
    # Also to who has left and was signed up again, perhaps by somebody else.
    "manage": tuple(SubscriptionState),
}


def resend_at(doubts: int, now: datetime, pause: timedelta = DOUBT_PAUSE) -> datetime | None:
    """When a mail goes out again that is in doubt for the `doubts`-th time; None: never by itself."""
    return None if doubts >= MAX_DOUBTS else now + pause * 4 ** (doubts - 1)


def objection(mail: Mail, reader: Reader, occasion: Occasion | None, now: datetime) -> Stop | Wait | None:
    """Why this mail does not go out now, or None."""
    if reader.is_suppressed:
        return Stop(DeliveryState.WITHHELD, "the address is suppressed")
    if occasion is None:
        return _notice(mail, reader, now)
    if mail.is_doubtful:
        return _doubtful(reader, now)
    return _unwanted(reader, occasion, now) or _outlived(occasion, now) or _untimely(reader, occasion, now)


def conclude(verdict: choose.Verdict) -> Stop | None:
    """What a choice that is no digest means."""
    if isinstance(verdict, choose.Nothing):
        return Stop(DeliveryState.EMPTY, "nothing new for this reader")
    if isinstance(verdict, choose.Waiting):
        return Stop(DeliveryState.ROLLED, "fewer Articles than the Publication's minimum")
    return None


def _notice(mail: Mail, reader: Reader, now: datetime) -> Stop | Wait | None:
    if reader.state not in _NOTICES[mail.kind]:
        return Stop(DeliveryState.WITHHELD, f"the subscription is {reader.state} by now")
    if mail.is_doubtful and mail.doubts >= MAX_DOUBTS:
        return Stop(DeliveryState.FAILED, "sent several times without an answer")
    if now - mail.created_at >= STALE_AFTER:
        return Stop(DeliveryState.FAILED, "its time is over")
    return _after_the_one_before(reader, now)


def _doubtful(reader: Reader, now: datetime) -> Stop | None:
    """A resend repeats what may have arrived, so it asks only whether we still may, and is never rolled by time.

    Nor are its tries counted here: who is out of them is held, and comes back only by the operator's word.
    """
    if reader.state is not SubscriptionState.ACTIVE or _is_paused(reader, now):
        return Stop(DeliveryState.WITHHELD, "the reader has left or paused since")
    return None


def _unwanted(reader: Reader, occasion: Occasion, now: datetime) -> Stop | None:
    if reader.state is not SubscriptionState.ACTIVE:
        return Stop(DeliveryState.WITHHELD, f"the subscription is {reader.state}")
    if _is_paused(reader, now):
        return Stop(DeliveryState.WITHHELD, "paused")
    if reader.cadence_id != occasion.cadence_id:
        return Stop(DeliveryState.WITHHELD, "another frequency, time or zone was chosen since")
    if occasion.local_date and reader.last_date and reader.last_date >= occasion.local_date:
        return Stop(DeliveryState.WITHHELD, f"had the digest of {reader.last_date} already")
    return None


def _outlived(occasion: Occasion, now: datetime) -> Stop | None:
    if occasion.is_cancelled:
        return Stop(DeliveryState.ROLLED, "the Edition was cancelled")
    if occasion.is_overtaken:
        return Stop(DeliveryState.ROLLED, "a newer Edition brings its Articles")
    if now - occasion.planned_at >= STALE_AFTER:
        return Stop(DeliveryState.ROLLED, "not delivered in time")
    return None


def _untimely(reader: Reader, occasion: Occasion, now: datetime) -> Wait | None:
    if wait := _after_the_one_before(reader, now):
        return wait
    if occasion.is_instant and reader.last_instant_at and now - reader.last_instant_at < plan.INSTANT_PAUSE:
        return Wait(reader.last_instant_at + plan.INSTANT_PAUSE, "had a mail less than half an hour ago")
    return None


def _after_the_one_before(reader: Reader, now: datetime) -> Wait | None:
    """One mail in flight per reader, notices included: the schema allows no second."""
    return Wait(now + LOOK_AGAIN, "the mail before this one is not settled") if reader.has_mail_in_flight else None


def _is_paused(reader: Reader, now: datetime) -> bool:
    return reader.paused_until is not None and reader.paused_until > now
