"""One run: an Edition for all readers goes out while blows fall at random moments, until nothing of it is open."""

import asyncio
import contextlib
import dataclasses
import os
import random
import signal
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeVar

import chaos_count
import chaos_disk
import chaos_house
from chaos_count import Blow, Ledger
from chaos_house import House
from chaos_processes import Node, Relay
from chaos_scenarios import DISK, Scenario
from sqlalchemy.exc import SQLAlchemyError

from digest import errors

LOOK_SECONDS = 0.02
# Longer than a lease of ten seconds.
FREEZE_SECONDS = 12
# One blow in so many falls while a node is still starting.
EARLY_EVERY = 5
# What is promised, and what a blow waits for before the next one falls.
RESUME_SECONDS = 20
# Nothing accepted for so long: what is left waits for its next try.
IDLE_SECONDS = 1.5
# Short, so that a stalled connection is found out in time.
SETTINGS = {
    "DIGEST_SMTP_TIMEOUT_SECONDS": "3",
    "DIGEST_SMTP_CONNECTIONS": "16",
    "DIGEST_THROTTLE_PLAN": "open",
}


@dataclasses.dataclass
class Run:
    """A scenario under way."""

    scenario: Scenario
    house: House
    readers: frozenset[str]
    random: random.Random
    relays: list[Relay]
    nodes: list[Node]
    limit_seconds: float
    ledger: Ledger = dataclasses.field(default_factory=Ledger)
    blows: list[Blow] = dataclasses.field(default_factory=list)
    trouble: list[str] = dataclasses.field(default_factory=list)
    final: Counter[str] = dataclasses.field(default_factory=Counter)
    restarts: int = 0
    gone: set[str] = dataclasses.field(default_factory=set)  # readers who left meanwhile

    @property
    def left(self) -> int:
        done = self.ledger.accepted | self.gone if self.gone else self.ledger.accepted
        return len(self.readers) - len(done)

    async def play(self) -> dict[str, Any]:
        started = time.monotonic()
        await asyncio.gather(*(node.start() for node in self.nodes))
        beside = [asyncio.create_task(self._watch()), asyncio.create_task(self._pass_time())]
        try:
            async with asyncio.timeout(self.limit_seconds):
                await self._hurt()
                await self._finish()
        except TimeoutError:
            self.trouble.append(f"not over after {self.limit_seconds:.0f} s")
        for task in beside:
            task.cancel()
        await self._end_nodes()
        self._look()
        figures = chaos_count.judge(self.ledger, self.readers, self.blows, self.gone)
        figures["seconds"] = round(time.monotonic() - started, 1)
        figures["deliveries"] = dict(self.final)
        figures["restarted_by_manager"] = self.restarts
        figures["broken"] += self.trouble + self._too_slow(figures)
        return figures

    def _too_slow(self, figures: dict[str, Any]) -> list[str]:
        longest = figures["resumed_after_seconds"].get("longest", 0)
        return [f"resumed only after {longest} s"] if longest > RESUME_SECONDS else []

    async def _watch(self) -> None:
        """What a service manager does for a node that gives up by itself: start it again a second later.

        It may while it is starting, as without a database, but not once it has sent.
        """
        while True:
            await asyncio.sleep(1)
            for node in self.nodes:
                if not node.is_running and not node.is_in_hand:
                    self.restarts += 1
                    if self._has_sent(node.title):
                        self.trouble.append(f"{node.title} ended by itself with {node.process.returncode}")
                    await node.start()

    def _has_sent(self, title: str) -> bool:
        self._look()
        return any(one.name == title for one in self.ledger.connections.values())

    async def _pass_time(self) -> None:
        """While nothing is accepted, pauses before further tries are cut short."""
        async with self.house.opened() as db:
            while True:
                await asyncio.sleep(0.5)
                if self.is_idle:
                    with contextlib.suppress(SQLAlchemyError, errors.DigestError, OSError):
                        await chaos_house.hurry(db)

    @property
    def is_idle(self) -> bool:
        return time.monotonic() - self.ledger.last_at > IDLE_SECONDS

    def _look(self) -> None:
        for relay in self.relays:
            relay.read_into(self.ledger)

    async def _hurt(self) -> None:
        kinds = [kind for kind, times in self.scenario.blows.items() for _ in range(times)]
        self.random.shuffle(kinds)
        while kinds:
            await self._moment(len(kinds))
            if not self.left:
                break
            await self._strike(kinds.pop())

    async def _moment(self, blows_left: int) -> None:
        """Wait for a random moment, spread so that all blows fall while there is mail to send."""
        if self.random.randrange(EARLY_EVERY) == 0:
            await asyncio.sleep(self.random.uniform(0, 3))
            return self._look()
        blow = self.blows[-1] if self.blows else None
        latest = time.monotonic() + RESUME_SECONDS + 5
        while blow and blow.back_at and self.ledger.last_at < blow.back_at and time.monotonic() < latest:
            await asyncio.sleep(LOOK_SECONDS)
            self._look()
        aim = self.left - self.random.randint(0, 2 * self.left // (blows_left + 3))
        while self.left > aim and time.monotonic() < latest:
            await asyncio.sleep(LOOK_SECONDS)
            self._look()

    async def _strike(self, kind: str) -> None:
        blow = await getattr(self, f"_{kind}")()
        self.blows.append(blow)

    async def _kill(self) -> Blow:
        node = self.random.choice(self.nodes)
        blow = await node.kill()
        return await self._back(blow, node)

    async def _child(self) -> Blow:
        """One of the processes that send for a node; the node starts it again by itself."""
        node = self.random.choice(self.nodes)
        at, children = time.monotonic(), node.children()
        if children:
            os.kill(self.random.choice(children), signal.SIGKILL)
        return Blow("kill child" if children else "no child yet", node.title, at, time.monotonic(), time.monotonic())

    async def _end(self) -> Blow:
        node = self.random.choice(self.nodes)
        blow, code = await node.end()
        self._note_ending(blow, code)
        return await self._back(blow, node)

    async def _freeze(self) -> Blow:
        return await self.random.choice(self.nodes).freeze(FREEZE_SECONDS)

    async def _relay(self) -> Blow:
        relay, at = self.random.choice(self.relays), time.monotonic()
        await relay.kill()
        return await self._back(Blow("kill relay", relay.name, at, time.monotonic()), relay)

    async def _refuse(self) -> Blow:
        """New connections end without a word for a while, and old ones after one more mail."""
        return await self._turn_away("close")

    async def _busy(self) -> Blow:
        """The same with 421, which asks for fewer connections."""
        return await self._turn_away("421")

    async def _turn_away(self, how: str) -> Blow:
        relay, at = self.random.choice(self.relays), time.monotonic()
        rude = relay.rude
        await relay.become(dataclasses.replace(rude, refuse=how, close_after=1))
        await asyncio.sleep(self.random.uniform(1, 4))
        await relay.become(rude)
        return Blow("turn away", relay.name, at, time.monotonic(), time.monotonic(), is_gentle=True)

    async def _database(self) -> Blow:
        cluster = self.house.cluster
        assert cluster
        at = time.monotonic()
        await asyncio.to_thread(cluster.crash)
        over_at = time.monotonic()
        await asyncio.sleep(self.random.uniform(0, 3))
        await asyncio.to_thread(cluster.start)
        return Blow("crash database", "", at, over_at, time.monotonic())

    async def _disk(self) -> Blow:
        """What was recorded before stays; nothing that was kept in memory may be sent twice for it."""
        at = time.monotonic()
        with chaos_disk.full(self.house, [node.process.pid for node in self.nodes]):
            await asyncio.sleep(self.random.uniform(1, 5))
        return Blow("fill disk", "", at, time.monotonic(), time.monotonic(), is_gentle=True)

    async def _back(self, blow: Blow, hurt: Node | Relay) -> Blow:
        """Up again, often at once, as a service manager would."""
        await asyncio.sleep(self.random.choice([0, 0, self.random.uniform(0, 1.5)]))
        back_at = time.monotonic()
        await hurt.start()
        return dataclasses.replace(blow, back_at=back_at)

    async def _finish(self) -> None:
        """Until no Delivery is open."""
        async with self.house.opened() as db:
            while not chaos_house.is_over(self.final):
                await asyncio.sleep(0.5)
                self._look()
                if not self.left or self.is_idle:
                    with contextlib.suppress(SQLAlchemyError, errors.DigestError, OSError):
                        self.final = await chaos_house.states(db)

    async def _end_nodes(self) -> None:
        ended = await asyncio.gather(*(node.end() for node in self.nodes if node.is_running))
        for blow, code in ended:
            self._note_ending(blow, code)

    def _note_ending(self, blow: Blow, code: int | None) -> None:
        """A node that is just starting knows no better than to die of SIGTERM; it has sent nothing."""
        if code != 0 and (self._has_sent(blow.victim) or code != -signal.SIGTERM):
            self.trouble.append(f"{blow.victim} ended with {code} on SIGTERM")


R = TypeVar("R", bound=Run)


@contextlib.asynccontextmanager
async def prepared(
    scenario: Scenario, ground: chaos_house.Ground, seed: int, limit_seconds: float, kind: type[R]
) -> AsyncIterator[R]:
    """A copy of the installation, its SMTP server running; whatever is left at the end is killed."""
    draw = random.Random(f"{seed} {ground.model.pair} {scenario.name}")
    async with contextlib.AsyncExitStack() as stack:
        # Logs and ledgers lie beside the house, whose disk may be full.
        notes = ground.folder / scenario.name
        notes.mkdir()
        house = await ground.house(scenario.name, at=_place(stack, scenario))
        relays = [Relay(f"relay{number}", notes, draw.randrange(2**32)) for number in range(scenario.relays)]
        for relay in relays:
            relay.rude = scenario.rude
            await relay.start()
            stack.push_async_callback(relay.kill)
        nodes = [_node(house, notes, relays, scenario, name) for name in _names(scenario)]
        for node in nodes:
            stack.push_async_callback(_kill, node)
        yield kind(scenario, house, ground.readers, draw, relays, nodes, limit_seconds)


def _place(stack: contextlib.AsyncExitStack, scenario: Scenario) -> Path | None:
    return stack.enter_context(chaos_disk.small()) if DISK in scenario.blows else None


def _names(scenario: Scenario) -> list[str]:
    serving = [f"serve{number}" for number in range(scenario.nodes)]
    return serving + [f"worker{number}" for number in range(scenario.workers)]


def _node(house: House, notes: Path, relays: list[Relay], scenario: Scenario, name: str) -> Node:
    processes = "0" if scenario.workers else str(scenario.children)
    settings = SETTINGS | {"DIGEST_ENGINE_PROCESSES": processes}
    return Node(house, name, notes, relays, settings)


async def _kill(node: Node) -> None:
    if node.starts and node.is_running:
        await node.kill()


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
