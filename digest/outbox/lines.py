"""The lines one Batch holds: a free one is kept for its next mail, and given back when there is none."""

from digest.outbox import crew, handover
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

    def give_back_dead(self) -> None:
        """Those that ended while nothing was on them: a mail announced there would only hear that."""
        for line in [line for line in self._idle if not line.is_usable]:
            self._idle.remove(line)
            self._transport.give_back(line)

    def give_back(self) -> None:
        """There is nothing more for the free ones."""
        for line in self._idle:
            self._transport.give_back(line)
        self._idle.clear()


def wait_for(sender: crew.Sender, relay: str) -> handover.Wait | None:
    """How long a mail in doubt must wait for a relay that no line will lead to for now, though to others."""
    transport, patience = sender.transport, sender.patience
    if relay not in transport.relays:
        return handover.Wait(sender.clock() + patience.normal, f"relay {relay} is not in the settings any more")
    if transport.trouble(relay) and not transport.trouble():
        return handover.Wait(sender.clock() + patience.relay, f"relay {relay} cannot take mail")
    return None
