"""When to try again, and when to give up. Pure; the pauses are those the Standard Webhooks specification proposes."""

from collections.abc import Callable
from datetime import timedelta

PAUSES = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# A fifth more or less, so that what failed together does not come back together.
JITTER = 0.2


def pause(tries: int, *, asked: timedelta | None, random: Callable[[], float]) -> timedelta | None:
    """How long to wait after so many tries; None when it was the last. `asked` is the server's own Retry-After."""
    if tries > len(PAUSES):
        return None
    own = PAUSES[tries - 1] * (1 + JITTER * (2 * random() - 1))
    # A server may ask for more time than we would give it, but not for so much that it is never told.
    return max(own, min(asked, PAUSES[-1])) if asked else own
