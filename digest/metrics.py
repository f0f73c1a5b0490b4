"""What this process counts, in the form Prometheus reads.

Owns the registry. A counter is declared, with its help text, at the top of the module that counts; docs/metrics.md
lists them all. Labels take values from short lists only (states, relays, big providers): each new value is a time
series that is kept for good, so none may come from a reader or a server.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

import prometheus_client
from prometheus_client import exposition, registry

CONTENT_TYPE = exposition.CONTENT_TYPE_PLAIN_0_0_4
# From a relay on the same machine to one that makes us wait; in seconds.
LATENCIES = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
# From an idle pass to one that fills a million readers.
DURATIONS = (0.005, 0.025, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)

# Of our own, so that no library adds to it unasked.
REGISTRY = registry.CollectorRegistry()
# Else each counter has a second series that says when this process began, as process_start_time_seconds does already.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
# CPU seconds, memory, open files. Nothing outside Linux, where there is no /proc.
prometheus_client.ProcessCollector(registry=REGISTRY)


class Observed(Protocol):
    """A histogram, or one of its children."""

    def observe(self, amount: float) -> None: ...


def counter(name: str, help_: str, labels: Iterable[str] = ()) -> prometheus_client.Counter:
    return prometheus_client.Counter(name, help_, labels, registry=REGISTRY)


def gauge(name: str, help_: str, labels: Iterable[str] = ()) -> prometheus_client.Gauge:
    return prometheus_client.Gauge(name, help_, labels, registry=REGISTRY)


def histogram(
    name: str, help_: str, labels: Iterable[str] = (), *, buckets: tuple[float, ...] = DURATIONS
) -> prometheus_client.Histogram:
    return prometheus_client.Histogram(name, help_, labels, registry=REGISTRY, buckets=buckets)


def render() -> bytes:
    """All that was counted, as text."""
    return exposition.generate_latest(REGISTRY)


def value(name: str, /, **labels: str) -> float:
    """One sample; 0 before it was first counted."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@contextmanager
def timed(duration: Observed) -> Iterator[None]:
    """Observe how long the block takes, also when it raises."""
    started = time.perf_counter()
    try:
        yield
    finally:
        duration.observe(time.perf_counter() - started)
