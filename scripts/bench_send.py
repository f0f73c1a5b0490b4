"""What sending a mail costs: processor time of the whole sending process, beside others who send the same bytes.

Ours runs with everything on: ledger, asking each reader anew, personal links, event lines. All go to the same smtp-sink
in the same call, the sender on one core and the sink on another. Machines are shared and noise only ever adds, so the
best of some rounds counts, for us and for the others alike; all rounds are shown.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import functools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bench_case
import bench_delay
import bench_list
import bench_machine
import bench_peers
import bench_signature
import bench_tools
from bench_case import tell

from tests.support import postgres

# nodemailer takes long, and what counts is processor time for each mail.
NODEMAILER_SHARE = 10
PAIR_ROUNDS = 2
ROUND_TRIP_SECONDS, FAR_CONNECTIONS, FAR_READERS = 0.02, 8, 2000
# So many cores must be free before two processes can be told to be as fast as two.
CORES_FOR_TWO = 4


@dataclasses.dataclass(frozen=True)
class Case:
    """Mails of one length; `most` and `least` are what was promised of its figures."""

    name: str
    kind: bench_case.Kind
    most: dict[str, float]
    least: dict[str, float]


# "of_smtp_source": as it runs by itself, with a connection for each mail. From such figures the limits were made.
# "of_nodemailer_composing": given text and HTML, as those who use it do; given the mail whole it still has to sign it,
# and "signature_ms" says what no sender can do without.
CASES = (
    Case(
        "unsigned_11_kb",
        bench_case.Kind(articles=2, is_signed=False),
        most={"cpu_ms": 0.18, "of_smtp_source": 1.3, "two_processes_cpu": 1.15},
        least={"per_second": 4000, "far_relay_rate": 1.8, "two_processes_rate": 1.7},
    ),
    Case(
        "signed_60_kb",
        bench_case.Kind(articles=40, is_signed=True),
        most={"cpu_ms": 0.50, "of_smtp_source": 2.6, "of_nodemailer_composing": 1 / 7, "two_processes_cpu": 1.15},
        least={"per_second": 1800, "far_relay_rate": 1.8, "two_processes_rate": 1.7},
    ),
)
AIMS = {"unsigned_11_kb": {"cpu_ms": 0.12}, "signed_60_kb": {"cpu_ms": 0.40}, "far_relay_rate": 3}

Rounds = list[dict[str, float]]


def run(arguments: list[str]) -> dict[str, Any]:
    options = _options().parse_args(arguments)
    cases = [case for case in CASES if options.case in (None, case.name)]
    found = {case.name: _measured(case, options) for case in cases}
    shares = {case.name: _shares(case, found[case.name]["figures"]) for case in cases}
    return {
        **found,
        "limits": {case.name: {"at_most": case.most, "at_least": case.least} for case in cases},
        "aims": AIMS,
        "share_of_limit": shares,
        "ok": all(share <= 1 for one in shares.values() for share in one.values()),
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench send")
    parser.add_argument("--readers", type=int, default=20_000, help="mails in a round (20000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the best counts (3)")
    parser.add_argument("--connections", type=int, default=64, help="connections to the sink (64)")
    parser.add_argument("--case", choices=[case.name for case in CASES], help="only this one")
    parser.add_argument("--ours", action="store_true", help="only ourselves on SQLite, to try something out")
    return parser


def _shares(case: Case, figures: dict[str, float]) -> dict[str, float]:
    """Each figure as a share of its limit: up to 1 is kept. What could not be measured here is not judged."""
    found = {name: figures[name] / limit for name, limit in case.most.items() if name in figures}
    found |= {name: limit / figures[name] for name, limit in case.least.items() if name in figures}
    return {name: round(share, 3) for name, share in found.items()}


def _measured(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    tell(case.name)
    cores = bench_machine.cores()
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder, bench_tools.sink(cores.sink) as port:
        bench = _Bench(case, options, cores, port)
        rounds, size = bench.on_sqlite(Path(folder))
        if not options.ours:
            rounds["ours_on_postgresql"] = bench.on_postgresql(Path(folder))
            if case.kind.is_signed:
                rounds["signature_alone"] = [bench.signature(Path(folder))]
    best = {name: _best(some) for name, some in rounds.items()}
    return {"mail_bytes": size, "figures": _figures(best, cores), "best": best, "rounds": rounds}


def _best(rounds: Rounds) -> dict[str, float]:
    """The round that others disturbed least; the rate is the best of any."""
    cheapest = min(rounds, key=lambda one: one["cpu_ms"])
    return cheapest | {name: max(one[name] for one in rounds) for name in ("per_second",) if name in cheapest}


def _figures(best: dict[str, dict[str, float]], cores: bench_machine.Cores) -> dict[str, Any]:
    """What the limits are about: our own figures, and what they are beside the others'."""
    ours = best["ours"]
    found: dict[str, Any] = {"cpu_ms": ours["cpu_ms"], "per_second": ours["per_second"]}
    for name in ("smtp_source", "smtp_source_kept_connections", "nodemailer", "nodemailer_composing", "aiosmtplib"):
        if name in best:
            found[f"of_{name}"] = round(ours["cpu_ms"] / best[name]["cpu_ms"], 4)
    if "signature_alone" in best:
        found["signature_ms"] = best["signature_alone"]["cpu_ms"]
        found["signature_of_smtp_source"] = round(found["signature_ms"] / best["smtp_source"]["cpu_ms"], 2)
    if "ours_two_processes" in best:
        found["two_processes_cpu"] = round(best["ours_two_processes"]["cpu_ms"] / ours["cpu_ms"], 3)
        rate = round(best["ours_two_processes"]["per_second"] / ours["per_second"], 2)
        name = "two_processes_rate" if cores.count >= CORES_FOR_TWO else f"two_processes_rate_on_{cores.count}_cores"
        found[name] = rate
    if "ours_far_relay" in best:
        found["far_relay_rate"] = round(
            best["ours_far_relay"]["per_second"] / best["aiosmtplib_far_relay"]["per_second"], 2
        )
    return found


class _Bench:
    def __init__(self, case: Case, options: argparse.Namespace, cores: bench_machine.Cores, port: int) -> None:
        self.case, self.options, self.cores, self.port = case, options, cores, port

    def _lists(self, rounds: int) -> bench_list.Readers:
        return bench_list.Readers(bench_case.NEAR, self.case.kind.articles, rounds, self.options.readers)

    def on_sqlite(self, home: Path) -> tuple[dict[str, Rounds], int]:
        url = f"sqlite:///{home}/digest.db"
        ours = bench_case.Installation(home, url, self.case.kind, self.options.connections)
        far = bench_list.Readers(bench_case.FAR, self.case.kind.articles, 1, FAR_READERS)
        asyncio.run(ours.make(self._lists(self.options.rounds + PAIR_ROUNDS), far))
        message = ours.captured()
        size = message.stat().st_size
        rounds = self._rounds(ours, message)
        if not self.options.ours:
            rounds["ours_two_processes"] = self._pair(ours)
            rounds |= self._far(ours, message)
        return rounds, size

    def on_postgresql(self, home: Path) -> Rounds:
        """Beside the sender's own time, that of the server, which has all cores to itself."""
        with postgres.server("-c listen_addresses=") as url:
            folder = home / "postgresql"
            folder.mkdir()
            ours = bench_case.Installation(folder, url, self.case.kind, self.options.connections)
            asyncio.run(ours.make(self._lists(self.options.rounds)))
            pid = bench_machine.postmaster(url)
            server = functools.partial(bench_machine.cpu_seconds, pid) if pid else None
            with ours.worker(self._url(), core=self.cores.sender) as worker:
                return [self._told("ours_on_postgresql", ours.send([worker], beside=server)) for _ in self._turns()]

    def signature(self, home: Path) -> dict[str, float]:
        message = max((home / "captured").glob("*.eml"))
        return self._told("signature_alone", {"cpu_ms": bench_signature.least_ms(message, home / "dkim.pem")})

    def _rounds(self, ours: bench_case.Installation, message: Path) -> dict[str, Rounds]:
        """In turns, so that a noisy minute hits all alike."""
        rounds: dict[str, Rounds] = {}
        others = {} if self.options.ours else self._others(ours, message)
        with ours.worker(self._url(), core=self.cores.sender) as worker:
            for _ in self._turns():
                contestants = {"ours": lambda: ours.send([worker]), **others}
                for name, measure in contestants.items():
                    rounds.setdefault(name, []).append(self._told(name, measure()))
        return rounds

    def _others(self, ours: bench_case.Installation, message: Path) -> dict[str, Callable[[], dict[str, float]]]:
        many = bench_peers.Run(self.port, message, self.options.readers, self.options.connections, self.cores.sender)
        few = dataclasses.replace(many, count=max(many.count // NODEMAILER_SHARE, 1), message=_unsigned(message))
        found: dict[str, Callable[..., dict[str, float]]] = {
            "smtp_source": lambda: bench_peers.smtp_source(many, keep=False),
            "smtp_source_kept_connections": lambda: bench_peers.smtp_source(many, keep=True),
            "aiosmtplib": lambda: bench_peers.aiosmtplib(many),
        }
        if self.case.kind.is_signed:
            found["nodemailer"] = functools.partial(bench_peers.nodemailer, few, ours.key, bench_case.SELECTOR)
            found["nodemailer_composing"] = functools.partial(found["nodemailer"], composes=True)
        return found

    def _pair(self, ours: bench_case.Installation) -> Rounds:
        """Two processes on the same file and the same core: what they cost each other."""
        with contextlib.ExitStack() as stack:
            core = self.cores.sender
            pair = [stack.enter_context(ours.worker(self._url(), core=core, name=f"pair-{n}")) for n in range(2)]
            return [self._told("ours_two_processes", ours.send(pair)) for _ in range(PAIR_ROUNDS)]

    def _far(self, ours: bench_case.Installation, message: Path) -> dict[str, Rounds]:
        """A relay 20 ms away: what counts is how much each connection carries."""
        with bench_delay.running(self.port, ROUND_TRIP_SECONDS / 2, self.cores.sink) as port:
            run = bench_peers.Run(port, message, FAR_READERS // 4, FAR_CONNECTIONS, self.cores.sender)
            theirs = self._told("aiosmtplib_far_relay", bench_peers.aiosmtplib(run))
            url = f"smtp://127.0.0.1:{port}"
            with ours.worker(url, core=self.cores.sender, name="far", connections=FAR_CONNECTIONS) as worker:
                mine = self._told("ours_far_relay", ours.send([worker], bench_case.FAR))
        return {"aiosmtplib_far_relay": [theirs], "ours_far_relay": [mine]}

    def _url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}"

    def _turns(self) -> Iterator[int]:
        return iter(range(self.options.rounds))

    @staticmethod
    def _told(name: str, figures: dict[str, float]) -> dict[str, float]:
        tell(f"  {name}: {figures}")
        return figures


def _unsigned(message: Path) -> Path:
    """The same mail without our signature, for those who sign it themselves."""
    content = message.read_bytes()
    bare = message.with_suffix(".unsigned")
    bare.write_bytes(content[content.index(b"From: ") :])
    return bare
