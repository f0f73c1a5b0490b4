"""Whether the time an answer takes tells who is a reader: sign-ups of known and unknown addresses, in mixed order.

Two samples are compared by rank (Mann and Whitney), which asks nothing of how the times are distributed and is not
misled by a few that took long.
"""

import math
import random
import statistics
from collections.abc import Sequence
from typing import Any

import bench_web_load as load
import bench_web_site as site_
from bench_case import tell

REQUESTS = 2000
# One in a hundred runs cries wolf.
LEVEL = 0.01


def measured(site: site_.Site, server: site_.Server) -> dict[str, Any]:
    known = site.addresses(site_.NEAR, 1)[: REQUESTS // 2]
    asks = [(site_.sign_up(address, site_.NEAR, "10.250.0.1"), True) for address in known]
    unknown = [address.replace("reader", "nobody") for address in known]
    asks += [(site_.sign_up(address, site_.NEAR, "10.250.0.1"), False) for address in unknown]
    random.Random(7).shuffle(asks)
    how = load.Load(server.port, 1, keep_times=True)
    answer = load.run(how, [ask for ask, _ in asks], site.home, site.cores.sink)
    times = answer.pop("times_ms")
    samples = [
        [time for time, (_, is_known) in zip(times, asks, strict=True) if is_known is wanted]
        for wanted in (True, False)
    ]
    found = compared(*samples) | {"statuses": answer["statuses"]}
    tell(f"  timing: {found}")
    return found


def compared(known: Sequence[float], unknown: Sequence[float]) -> dict[str, Any]:
    chance = rank_test(known, unknown)
    return {
        "known_median_ms": round(statistics.median(known), 3),
        "unknown_median_ms": round(statistics.median(unknown), 3),
        "requests": len(known) + len(unknown),
        "chance_of_such_a_difference": round(chance, 4),
        "tells_apart": chance < LEVEL,
    }


def rank_test(one: Sequence[float], other: Sequence[float]) -> float:
    """How likely two samples of one kind differ at least so much: two-sided, by the normal approximation, with ties."""
    pooled = sorted(one + other if isinstance(one, list) and isinstance(other, list) else [*one, *other])
    ranks: dict[float, float] = {}
    ties = 0.0
    start = 0
    while start < len(pooled):
        end = start
        while end < len(pooled) and pooled[end] == pooled[start]:
            end += 1
        ranks[pooled[start]] = (start + 1 + end) / 2
        ties += (end - start) ** 3 - (end - start)
        start = end
    n, m, total = len(one), len(other), len(pooled)
    u = sum(ranks[value] for value in one) - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * (total + 1 - ties / (total * (total - 1))))
    return math.erfc(abs(u - n * m / 2) / spread / math.sqrt(2)) if spread else 1.0
