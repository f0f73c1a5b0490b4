"""How many lines a relay gets: opened a few at a time, halved at "too many", rested when it cannot be reached.

Pure: told what happened and when, by the loop's clock, it says what may be done now.
"""

from collections.abc import Sequence

from digest.outbox import replies
from digest.outbox.replies import Cause, Reply

# Lines opened at the same time: at first, and once they come up well. A relay that sees a dozen at once from somebody
# new takes it for an attack; two are no burst, and one more with each success is still 16 lines within a second.
AT_FIRST, AT_MOST = 2, 8
# After a failed connect: doubling from the first to the last, and each shortened by up to a half by chance, so that
# many workers do not return together. A relay that restarts is back within seconds, and everything waits for it.
FIRST_REST, LONGEST_REST = 0.5, 10.0
# Lines lost to a "too many" come back: twice as many each time up to half of the limit, then one by one. A relay that
# was only busy for a moment is so back at work within a minute, and one that minds is not asked for all at once.
GROW_SECONDS = 10.0
# The lines of one burst are all refused at about the same time; that is one "too many", not several.
BURST_SECONDS = 5.0


class Pace:
    """What is known of one relay's mood. `most` is the limit from the settings."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.allowed = most
        self.at_once = AT_FIRST
        self.failures = 0
        self.rests_until = 0.0
        self.trouble: Reply | None = None
        self._halved_at = -BURST_SECONDS
        self._grown_at = 0.0

    def connected(self) -> None:
        self.at_once = min(self.at_once + 1, AT_MOST)
        self.failures, self.rests_until, self.trouble = 0, 0.0, None

    def failed(self, reply: Reply, now: float, lines: int, chance: float) -> None:
        """A connect failed, or a new line was turned away at its first MAIL, while `lines` others were up."""
        self.trouble, self.at_once = reply, 1
        # With none of our lines up it is not about their number: a relay that starts or stops says the same.
        if lines and is_too_many(reply):
            self._halve(now, lines)
        if now < self.rests_until:
            return  # they were under way together
        self.failures += 1
        rest = min(FIRST_REST * 2 ** min(self.failures - 1, 10), LONGEST_REST)
        self.rests_until = now + rest * (1 - chance / 2)

    def grow(self, now: float) -> None:
        """Called now and then: more lines, if it was long enough quiet."""
        if self.allowed < self.most and now - self._grown_at >= GROW_SECONDS:
            twice = min(self.allowed * 2, self.most // 2)
            self.allowed, self._grown_at = max(self.allowed + 1, twice), now

    def _halve(self, now: float, lines: int) -> None:
        self._grown_at = now
        if now - self._halved_at >= BURST_SECONDS:
            self._halved_at = now
            self.allowed = max(1, min(self.allowed, lines + 1) // 2)


def is_too_many(reply: Reply) -> bool:
    """RFC 5321 §3.8 has 421 for a service that is not available now; in use it says "too many connections"."""
    return reply.code == 421 or (reply.code != 0 and replies.diagnose(reply) is Cause.RATE)


def shares(total: int, wishes: Sequence[tuple[float, int]]) -> list[int]:
    """`total` lines by weight, none beyond its limit, at least one each. What one cannot use, others get."""
    dealt = [1] * len(wishes)
    for _ in range(total - len(wishes)):
        open_ = [index for index, (_, limit) in enumerate(wishes) if dealt[index] < limit]
        if not open_:
            break
        dealt[min(open_, key=lambda index: (dealt[index] + 0.5) / wishes[index][0])] += 1
    return dealt
