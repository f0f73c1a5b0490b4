"""One event line per attempt, and the counters of attempts: what an operator can search, and what can be graphed.

Called once per turn with all attempts that were answered in it. No address is ever in an Attempt: the Delivery's id
leads whoever may see it to the reader. A reader's domain counts only if it is a big provider's, else it is "other".
"""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from prometheus_client import Counter as Child

from digest import events, metrics
from digest.outbox import destinations, outcomes, replies

ATTEMPTS = metrics.counter(
    "digest_attempts_total",
    "Mails that were answered, by relay, group of domains, and outcome: accepted, deferred, doubtful, failed.",
    ("relay", "destination", "outcome"),
)
SECONDS = metrics.histogram(
    "digest_attempt_seconds",
    "How long a server took to answer, by stage: announce (MAIL to DATA) and content.",
    ("stage",),
    buckets=metrics.LATENCIES,
)
_ANNOUNCE, _CONTENT = SECONDS.labels("announce"), SECONDS.labels("content")

KEYS = (
    *("delivery", "edition", "publication", "subscription", "relay", "destination", "tries"),
    *("stage", "code", "enhanced", "outcome", "reason", "announce_ms", "content_ms"),
)
OUTCOMES = {
    outcomes.Sent: "accepted",
    outcomes.TryAt: "deferred",
    outcomes.Doubt: "doubtful",
    outcomes.GiveUp: "failed",
}
# A Delivery's reason opens with one of these; what comes after it is the server's own words.
REASONS = frozenset([*map(str, replies.Cause), "doubt"])
OTHER = "other"
_SUCCESS = re.compile(r"2\.\d\.\d")

log_ = logging.getLogger(__name__)


class Attempt(NamedTuple):
    """A mail that was answered, or whose connection ended. A tuple, for one is made for each mail.

    `destination` is as `destinations` names it; only those of big providers are told. `announce` and `content` are
    seconds from the write to the answer; None where it did not come to that.
    """

    delivery: int
    edition: int | None
    publication: int | None
    subscription: int
    relay: str
    destination: str
    tries: int
    reply: replies.Reply
    outcome: outcomes.Outcome
    announce: float | None
    content: float | None


def log(attempts: Sequence[Attempt]) -> None:
    """Count these attempts and write a line for each."""
    _count(attempts)
    if attempts and log_.isEnabledFor(logging.INFO):
        log_.info(events.Rows("attempt", KEYS, [_row(one) for one in attempts]))


def _row(one: Attempt) -> tuple[Any, ...]:
    delivery, edition, publication, subscription, relay, destination, tries, reply, outcome, announce, content = one
    if outcome.__class__ is outcomes.Sent:
        enhanced, reason = _ACCEPTED[reply.text[:6]], ""
    else:
        enhanced, reason = replies.enhanced(reply.text), reason_class(outcome)
    return (
        *(delivery, edition, publication, subscription, relay, _shown(destination), tries),
        *(str(reply.stage), reply.code, enhanced, OUTCOMES[outcome.__class__], reason),
        # Tenths; round() takes twice as long.
        None if announce is None else int(announce * 10_000) / 10,
        None if content is None else int(content * 10_000) / 10,
    )


def _shown(destination: str) -> str:
    """A domain with a handful of readers would name them."""
    return destination if destination in destinations.GROUPS else OTHER


class _Accepted(dict[str, str]):
    """The enhanced code of a 2xx by the first six characters of its text: "2.0.0 " and few others."""

    def __missing__(self, head: str) -> str:
        code = head.strip()
        if not _SUCCESS.fullmatch(code):
            return ""
        self[head] = code
        return code


_ACCEPTED = _Accepted()


def reason_class(outcome: outcomes.Outcome) -> str:
    """The class of trouble: one of REASONS, "doubt" or "other"; nothing for a mail that was accepted."""
    if isinstance(outcome, outcomes.Sent):
        return ""
    name = "doubt" if isinstance(outcome, outcomes.Doubt) else outcome.reason.partition(":")[0]
    return name if name in REASONS else OTHER


def _count(attempts: Sequence[Attempt]) -> None:
    for key, count in Counter((one.relay, _shown(one.destination), type(one.outcome)) for one in attempts).items():
        _child(*key).inc(count)
    for one in attempts:
        if one.announce is not None:
            _ANNOUNCE.observe(one.announce)
        if one.content is not None:
            _CONTENT.observe(one.content)


_children: dict[tuple[str, str, type], Child] = {}


def _child(relay: str, destination: str, outcome: type[outcomes.Outcome]) -> Child:
    """Remembered, for to look it up by labels costs three times as much as to count."""
    key = (relay, destination, outcome)
    if key not in _children:
        _children[key] = ATTEMPTS.labels(relay, destination, OUTCOMES[outcome])
    return _children[key]
