"""The lines one Batch holds: a free one is kept for its next mail, and given back when there is none."""

from digest.outbox.transports import transport as transports


class Lines:
    """`is_urgent`: the lines kept for mail somebody waits for may be taken too."""

    def __init__(self, transport: transports.Transport, *, is_urgent: bool) -> None:
        self._transport, self._is_urgent = transport, is_urgent
        self._idle: list[transports.Line] = []

    def take(self, relay: str | None) -> transports.Line | None:
        """A free line, to that relay if one is named."""
        for place, line in enumerate(self._idle):
            if relay in (None, line.relay):
                return self._idle.pop(place)
        return self._transport.take(relay, urgent=self._is_urgent)

    def free(self, line: transports.Line) -> None:
        """Nothing is on it any more."""
        if line.is_usable:
            self._idle.append(line)
        else:
            self._transport.give_back(line)

    def abandon(self, line: transports.Line) -> None:
        """What is announced on it must not leave."""
        line.abandon()
        self._transport.give_back(line)

    def give_back(self) -> None:
        """There is nothing more for the free ones."""
        for line in self._idle:
            self._transport.give_back(line)
        self._idle.clear()
