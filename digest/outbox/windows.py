"""How many mails may be under way to each destination at once: a window that opens slowly and halves on trouble.

One per relay and destination, in the memory of one process. Pure: the clock is handed in, no rows are read. It is asked
for every mail, so each call is a look-up and some comparisons.
"""

import dataclasses
import enum
from collections.abc import Callable, Mapping

Key = tuple[str, str]  # relay, destination


class Signal(enum.Enum):
    """What a reply says about the way, as `pauses.signal_of` reads it."""

    ACCEPTED = "accepted"
    NEUTRAL = "neutral"  # said of the address, of us, or nothing at all
    SLOWER = "slower"  # the destination has enough for the moment
    SINGLE = "single"  # it wants no more than one connection


@dataclasses.dataclass(frozen=True)
class Shape:
    """How windows open and close.

    `step` acceptances open a window by one. After trouble it opens by one in `calm_step` seconds at most, for `calm`
    seconds: providers ask senders to add connections one at a time, and ten minutes is Gmail's own measure. One that
    saw no mail for `quiet` seconds starts small again, for servers take a burst after a pause for a break-in.
    """

    start: int = 2
    step: int = 10
    cap: int = 500  # Microsoft's limit is 500; what the relay allows is less almost everywhere
    caps: Mapping[str, int] = dataclasses.field(default_factory=dict)
    calm: float = 600
    calm_step: float = 15
    quiet: float = 300
    # Replies that were on their way together tell of one trouble, not of many.
    echo: float = 1


class _Window:
    __slots__ = (
        *("accepted", "accepted_at", "cap", "gap", "grow_at", "is_tight"),
        *("running", "seen", "shrunk_at", "size", "troubled_until", "used_at"),
    )

    def __init__(self, size: int, cap: int, now: float) -> None:
        self.size, self.cap, self.used_at = min(size, cap), cap, now
        self.running = self.accepted = 0
        self.is_tight = False
        self.accepted_at, self.gap, self.seen = now, 1.0, 0
        self.shrunk_at = self.troubled_until = self.grow_at = float("-inf")


# Beyond this many, windows at rest are forgotten: a list of a million readers has some 50,000 domains.
MOST_KEPT = 20_000


class Windows:
    """The windows of one process. `clock` counts seconds and never goes back."""

    def __init__(self, shape: Shape, clock: Callable[[], float]) -> None:
        self.shape, self._clock = shape, clock
        self._windows: dict[Key, _Window] = {}
        self._most = MOST_KEPT

    def room(self, key: Key) -> int:
        """How many more mails may start now; 0 or less: none."""
        window = self._windows.get(key)
        if window is None:
            return min(self.shape.start, self._cap(key))
        if not window.running and (now := self._clock()) - window.used_at > self.shape.quiet:
            window.size = min(window.size if now < window.troubled_until else window.cap, self.shape.start)
        return window.size - window.running

    def started(self, key: Key, count: int = 1) -> None:
        window = self._windows.get(key) or self._open(key)
        window.running += count
        window.is_tight = window.is_tight or window.running >= window.size
        window.used_at = self._clock()

    def ended(self, key: Key, signal: Signal, *, leaves: bool = True) -> None:
        """One mail is over. Also for those that never left, as NEUTRAL; `leaves` unless another took its place."""
        window = self._windows.get(key) or self._open(key)
        flight = max(window.running, 1)
        if leaves and window.running:
            window.running -= 1
        if signal is Signal.NEUTRAL:
            return
        now = window.used_at = self._clock()
        if signal is Signal.ACCEPTED:
            self._grow(window, now)
        elif signal is Signal.SINGLE:
            window.size, window.accepted = 1, 0
            window.troubled_until = now + self.shape.calm
            window.grow_at = now + self.shape.calm_step
        elif now - window.shrunk_at > self.shape.echo:
            # Half of what really was under way: a window may be wider than there are lines.
            window.size = max(min(window.size, flight) // 2, 1)
            window.accepted, window.shrunk_at = 0, now

    def restart(self, key: Key) -> None:
        """After a pause: one connection, and others one at a time."""
        self.started(key)
        self.ended(key, Signal.SINGLE)

    def forgive(self, key: Key) -> None:
        """Forget what happened, as the operator wishes."""
        if window := self._windows.get(key):
            window.troubled_until = window.grow_at = float("-inf")
            window.size = max(window.size, min(self.shape.start, window.cap))

    def pace(self, key: Key) -> float:
        """Acceptances per second lately, over some twenty of them."""
        window = self._windows.get(key)
        return 1 / max(window.gap, self._clock() - window.accepted_at, 1e-6) if window else 1.0

    def narrowed(self) -> dict[Key, int]:
        """The windows in trouble and how wide they are."""
        now = self._clock()
        return {key: window.size for key, window in self._windows.items() if window.troubled_until > now}

    def _grow(self, window: _Window, now: float) -> None:
        window.accepted += 1
        window.seen = min(window.seen + 1, 20)
        window.gap += (now - window.accepted_at - window.gap) / window.seen
        window.accepted_at = now
        # A window that was never full has not shown that a wider one would be borne.
        if window.accepted < self.shape.step or window.size >= window.cap or not window.is_tight:
            return
        if now < window.troubled_until:
            if now < window.grow_at:
                return
            window.grow_at = now + self.shape.calm_step
        window.size, window.accepted, window.is_tight = window.size + 1, 0, False

    def _cap(self, key: Key) -> int:
        return self.shape.caps.get(key[1], self.shape.cap)

    def _open(self, key: Key) -> _Window:
        if len(self._windows) >= self._most:
            self._forget()
        window = self._windows[key] = _Window(self.shape.start, self._cap(key), self._clock())
        return window

    def _forget(self) -> None:
        """Drop windows at rest. Where most are in use the limit grows, so that this is not done at every mail."""
        now, start = self._clock(), self.shape.start
        rested = now - self.shape.quiet
        self._windows = {
            key: window
            for key, window in self._windows.items()
            if window.running or window.troubled_until > now or (window.used_at > rested and window.size != start)
        }
        self._most = max(MOST_KEPT, 2 * len(self._windows))
