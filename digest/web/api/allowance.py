"""How often a key may come: counted in memory by each node, told by the RateLimit headers of the IETF's draft.

Keys are given to people we know, so this keeps a program run wild from the readers' pages; it is no fence against
enemies. Counts in the database would make a write of every read.
"""

import math
import time

import limits
from limits import strategies
from limits.storage import MemoryStorage

from digest.web.api.problems import KINDS, Problem


class Allowance:
    """One for each node. `text` is such as 600/minute."""

    def __init__(self, text: str) -> None:
        self._item = limits.parse(text)
        self._strategy = strategies.MovingWindowRateLimiter(MemoryStorage())

    def take(self, key: str) -> dict[str, str]:
        """One more request of this key; the headers that say what is left. Raises Problem when it is one too many."""
        is_kept = self._strategy.hit(self._item, key)
        left = self._strategy.get_window_stats(self._item, key)
        seconds = max(math.ceil(left.reset_time - time.time()), 1)
        headers = {
            "RateLimit-Policy": f'"key";q={self._item.amount};w={self._item.get_expiry()}',
            "RateLimit": f'"key";r={max(left.remaining, 0)};t={seconds}',
        }
        if not is_kept:
            raise Problem("too-many", KINDS["too-many"].help, headers=headers | {"Retry-After": str(seconds)})
        return headers
