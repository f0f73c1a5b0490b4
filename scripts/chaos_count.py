"""What readers got, counted from the ledgers of the SMTP servers alone, and judged against what is promised.

Pure: lines of ledgers and the blows that were dealt in, a verdict out. The promise: nobody goes without; nobody gets a
mail twice, except at most one for each connection that was open at a kill and one for each that was lost after the
final dot; every copy has the same Message-ID and goes to the same relay; no more than three copies of one mail.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

# The first and at most two resends.
MOST_COPIES = 3
# While fewer readers than this go without, those may all be waiting for a further try, which resumes nothing.
FEW = 0.15


@dataclasses.dataclass(frozen=True)
class Blow:
    """One hurt. `victim` is what connections of it say of themselves (a node), or the name of a relay, or "" for all.

    Begun at `at` it had its effect by `over_at`; `back_at` is when what was hurt began to start again, None for never.
    A gentle one, as SIGTERM, excuses nothing.
    """

    what: str
    victim: str
    at: float
    over_at: float
    back_at: float | None = None
    is_gentle: bool = False


@dataclasses.dataclass(frozen=True)
class Copy:
    """Content that came as far as the final dot. `is_kept`: accepted. `is_told`: its sender got a proper reply."""

    relay: str
    connection: str
    began: float
    ended: float
    recipient: str
    message_id: str
    is_kept: bool
    is_told: bool
    is_sound: bool


@dataclasses.dataclass
class Connection:
    relay: str
    opened_at: float
    name: str = ""
    shut_at: float = float("inf")

    def suffers(self, blow: Blow) -> bool:
        """Whether it was open when its node, or its relay, or everything was hurt."""
        is_its = blow.victim in ("", self.name, self.relay)
        return is_its and self.opened_at <= blow.over_at and self.shut_at >= blow.at


@dataclasses.dataclass
class Ledger:
    """All that the relays wrote down, in the order it was read."""

    copies: list[Copy] = dataclasses.field(default_factory=list)
    connections: dict[str, Connection] = dataclasses.field(default_factory=dict)
    odd: list[str] = dataclasses.field(default_factory=list)
    accepted: set[str] = dataclasses.field(default_factory=set)
    last_at: float = 0.0

    def read(self, relay: str, lines: Iterable[str]) -> None:
        for line in lines:
            kind, connection, *fields = line.rstrip("\n").split("\t")
            if kind in ("kept", "gone"):
                self._copy(_copy(relay, connection, fields, is_kept=kind == "kept"))
            elif kind == "open":
                self.connections[connection] = Connection(relay, float(fields[0]))
            elif kind == "helo":
                self.connections[connection].name = fields[0]
            elif kind == "shut":
                self.connections[connection].shut_at = float(fields[0])
            elif kind == "odd":
                self.odd.append(fields[0])

    def _copy(self, copy: Copy) -> None:
        self.copies.append(copy)
        if copy.is_kept:
            self.accepted.add(copy.recipient)
            self.last_at = max(self.last_at, copy.ended)


def _copy(relay: str, connection: str, fields: Sequence[str], *, is_kept: bool) -> Copy:
    began, ended, _wall, recipient, message_id, answer, is_sound = fields
    times = float(began), float(ended)
    return Copy(relay, connection, *times, recipient, message_id, is_kept, answer == "250", is_sound == "1")


def judge(
    ledger: Ledger, readers: Collection[str], blows: Sequence[Blow], left: Collection[str] = ()
) -> dict[str, Any]:
    """The figures of one run, and `broken`: what was promised and is not so. Who `left` needs no mail."""
    copies = Counter(copy.recipient for copy in ledger.copies if copy.is_kept)
    kills = [blow for blow in blows if not blow.is_gentle]
    _shut_what_died(ledger, blows)
    open_at_kills = sum(one.suffers(blow) for blow in kills for one in ledger.connections.values())
    lost_after_dot = sum(not copy.is_told for copy in ledger.copies)
    resumed = [one for one in (_resumed(ledger, blow, len(readers), blows) for blow in blows) if one is not None]
    figures = {
        "readers": len(readers),
        "accepted": sum(copies.values()),
        "lost": len(set(readers) - copies.keys() - set(left)),
        "strangers": len(copies.keys() - set(readers)),
        "duplicated": sum(copies.values()) - len(copies),
        "unexcused": len(_unexcused(ledger, kills)),
        "allowed": {"connections_open_at_kills": open_at_kills, "lost_after_final_dot": lost_after_dot},
        "most_copies": max(Counter(copy.recipient for copy in ledger.copies).values(), default=0),
        "blows": dict(Counter(blow.what for blow in blows)),
        "kills": len(kills),
        "resumed_after_seconds": _spread(resumed),
        "other_message_id": _differing(ledger, lambda copy: copy.message_id),
        "other_relay": _differing(ledger, lambda copy: copy.relay),
        "unsound": sum(not copy.is_sound for copy in ledger.copies),
        "spoken_wrongly": dict(Counter(ledger.odd)),
    }
    return figures | {"broken": _broken(figures)}


def _shut_what_died(ledger: Ledger, blows: Sequence[Blow]) -> None:
    """A relay that was killed could not write down the end of its connections."""
    for blow in blows:
        for one in ledger.connections.values():
            if one.relay == blow.victim and one.opened_at <= blow.over_at:
                one.shut_at = min(one.shut_at, blow.over_at)


def _broken(figures: dict[str, Any]) -> list[str]:
    wrong = [
        f"{figures[name]} {name.replace('_', ' ')}"
        for name in ("lost", "strangers", "other_message_id", "other_relay", "unsound", "spoken_wrongly")
        if figures[name]
    ]
    if figures["duplicated"] > sum(figures["allowed"].values()):
        wrong.append(f"{figures['duplicated']} duplicated")
    if figures["most_copies"] > MOST_COPIES:
        wrong.append(f"{figures['most_copies']} copies of one mail")
    return wrong


def _unexcused(ledger: Ledger, kills: Sequence[Blow]) -> list[Copy]:
    """Copies that no other should have followed: answered, and not the last on a connection that was hit."""
    last = {id(copy) for blow in kills for copy in _last_on_connections(ledger, blow)}
    of_reader: dict[str, list[Copy]] = defaultdict(list)
    for copy in sorted(ledger.copies, key=lambda copy: copy.ended):
        of_reader[copy.recipient].append(copy)
    followed = [copy for copies in of_reader.values() for copy in copies[:-1]]
    return [copy for copy in followed if copy.is_told and id(copy) not in last]


def _last_on_connections(ledger: Ledger, blow: Blow) -> list[Copy]:
    """What each connection that suffered this blow had taken last when it came, or was just taking.

    What the dead had written already may be read after their death, and a node outlives its database.
    """
    hurt = {number for number, one in ledger.connections.items() if one.suffers(blow)}
    copies = [copy for copy in ledger.copies if copy.connection in hurt]
    before = {copy.connection: copy for copy in copies if copy.ended <= blow.over_at}
    after = {copy.connection: copy for copy in reversed(copies) if copy.ended > blow.over_at}
    return [*before.values(), *after.values()]


def _resumed(ledger: Ledger, blow: Blow, readers: int, blows: Sequence[Blow]) -> float | None:
    """Seconds from when all was up again to the first mail after that; None if that says nothing."""
    if blow.back_at is None:
        return None
    served = {copy.recipient for copy in ledger.copies if copy.is_kept and copy.ended < blow.back_at}
    first = min((copy.ended for copy in ledger.copies if copy.began >= blow.back_at), default=None)
    # Before the first mail there was nothing to resume: the Edition is still being planned and filled.
    if first is None or not served or readers - len(served) < readers * FEW:
        return None
    # The next blow came before anything could be sent.
    is_hit_again = any(blow.back_at < other.at < first for other in blows)
    return None if is_hit_again else first - blow.back_at


def _spread(seconds: list[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"median": round(sorted(seconds)[len(seconds) // 2], 1), "longest": round(max(seconds), 1)}


def _differing(ledger: Ledger, what: Any) -> int:
    """Readers whose copies are not alike in this. A mail refused for sure may go another way, so it is no copy."""
    found: dict[str, set[str]] = defaultdict(set)
    for copy in ledger.copies:
        found[copy.recipient].add(what(copy))
    return sum(len(values) > 1 for values in found.values())
