"""What is done to a run: how many nodes there are, how rude the SMTP server is, and which blows fall, how often."""

import dataclasses

from tests.support.rudeness import Rudeness

KILL, CHILD, END, FREEZE = "kill", "child", "end", "freeze"
RELAY, REFUSE, BUSY, DATABASE, DISK = "relay", "refuse", "busy", "database", "disk"
CALM = Rudeness()
# Postfix and Exchange close after some mails; a receiver behind a load balancer drops now and then.
RUDE = Rudeness(
    greylist=0.02, later=0.01, busy=0.002, drop_before=0.001, drop_after=0.001, garbage_after=0.001, hang_up=0.001
)


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`blows` says how often each falls within one run. `only` names the pairs it is for, if not all.

    Besides `nodes` (`digest serve`) there may be `workers` (`digest worker`), and then only these send; or each node
    may have some `children` that send for it.
    """

    name: str
    blows: dict[str, int] = dataclasses.field(default_factory=dict)
    nodes: int = 1
    workers: int = 0
    children: int = 1
    relays: int = 1
    rude: Rudeness = CALM
    only: tuple[str, ...] = ()

    def fits(self, pair: str) -> bool:
        return not self.only or pair in self.only


ON_SERVER = ("postgres", "procrastinate")
ALL = (
    Scenario("kill", {KILL: 25}),
    Scenario("kill-2", {KILL: 15}, nodes=2),
    Scenario("kill-4", {KILL: 10}, nodes=4),
    Scenario("workers", {KILL: 15}, workers=2),
    Scenario("children", {CHILD: 8, KILL: 4}, children=2),
    Scenario("end", {END: 8}),
    Scenario("end-workers", {END: 8}, workers=2),
    Scenario("relay", {RELAY: 12}, rude=Rudeness(delay=0.003)),
    Scenario("relays-2", {RELAY: 8, KILL: 5}, relays=2, rude=Rudeness(drop_before=0.005, drop_after=0.005)),
    Scenario("refuse", {REFUSE: 5}),
    Scenario("busy", {BUSY: 1}),
    Scenario("database", {DATABASE: 10}, nodes=2, only=ON_SERVER),
    Scenario("disk", {DISK: 5}, only=("sqlite",)),
    Scenario("freeze", {FREEZE: 3}, nodes=2),
    Scenario("together-2", nodes=2),
    Scenario("together-4", nodes=4),
    Scenario("greylist", rude=Rudeness(greylist=0.1)),
    Scenario("greylist-lax", rude=Rudeness(greylist=0.1, lax=True)),
    Scenario("close-after-10", rude=Rudeness(close_after=10)),
    Scenario("later", rude=Rudeness(later=0.05, busy=0.01)),
    Scenario("stall", rude=Rudeness(stall_before=0.001, stall_after=0.001)),
    Scenario("garbage", rude=Rudeness(garbage_before=0.01, garbage_after=0.01, babble=0.002)),
    Scenario("drop", rude=Rudeness(drop_before=0.01, drop_after=0.01, hang_up=0.002)),
    Scenario("slow", rude=Rudeness(delay=0.005, late=0.0005)),
    Scenario("storm", {KILL: 12, RELAY: 6, END: 3}, nodes=2, rude=RUDE),
    Scenario("storm-4", {KILL: 8, DATABASE: 6, RELAY: 4}, nodes=2, workers=2, rude=RUDE, only=ON_SERVER),
)
# What must repeat nothing, and what may.
CLOSING = Rudeness(greylist=0.1, close_after=10, later=0.02)
QUICK = (
    Scenario("gentle", {END: 2, REFUSE: 1, DISK: 1}, nodes=2, rude=CLOSING, only=("sqlite",)),
    Scenario("gentle-server", {END: 2, REFUSE: 1}, nodes=2, rude=CLOSING, only=ON_SERVER),
    Scenario("rough", {KILL: 3, RELAY: 2}, workers=2, rude=RUDE, only=("sqlite",)),
    Scenario("rough-server", {KILL: 2, RELAY: 1, DATABASE: 2}, workers=2, rude=RUDE, only=ON_SERVER),
)
