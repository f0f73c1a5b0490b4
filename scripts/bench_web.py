"""What the pages carry: one-click unsubscribes, page views and sign-ups a second, of one process on one core.

`digest serve` runs with everything on; who asks is another process on another core. Beside it runs bare Starlette on
the same server, with a constant answer and with a commit for each request. Machines are shared and noise only ever
adds, so the best of some rounds counts, for us and for the others alike; all rounds are shown.
"""

import argparse
import asyncio
import itertools
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import bench_list
import bench_machine
import bench_tools
import bench_web_load as load
import bench_web_sending as sending
import bench_web_site as site_
import bench_web_timing as timing
from bench_case import tell

from tests.support import postgres

LEAST = {"one_click": 300, "one_click_repeated": 1500, "one_click_forged": 1500, "sign_up_page": 1500, "sign_up": 100}
MOST = {"one_click_while_sending_p99_ms": 250}
AIMS = {"one_click": 1000}
SLUG = "mias-feed"

Rounds = dict[str, list[dict[str, Any]]]


def run(arguments: list[str]) -> dict[str, Any]:
    options = _options().parse_args(arguments)
    cores = bench_machine.cores()
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder, bench_tools.sink(cores.sink) as port:
        found = _on_sqlite(Path(folder), cores, port, options)
        if not options.ours:
            found["postgresql"] = _on_postgresql(Path(folder), cores, port, options)
    figures = found["figures"]
    shares = {name: limit / figures[name] for name, limit in LEAST.items()}
    shares |= {name: figures[name] / limit for name, limit in MOST.items() if name in figures}
    tells_apart = found.get("timing", {}).get("tells_apart", False)
    return {
        **found,
        "limits": {"at_least": LEAST, "at_most": MOST},
        "aims": AIMS,
        "share_of_limit": {name: round(share, 3) for name, share in shares.items()},
        "ok": all(share <= 1 for share in shares.values()) and not tells_apart,
    }


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench web")
    parser.add_argument("--requests", type=int, default=3000, help="requests in a round (3000)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the best counts (3)")
    parser.add_argument("--connections", type=int, default=64, help="connections that ask at once (64)")
    parser.add_argument("--edition", type=int, default=20_000, help="readers of the Edition sent meanwhile (20000)")
    parser.add_argument("--ours", action="store_true", help="only ourselves on SQLite, to try something out")
    parser.add_argument("--no-edition", action="store_true", help="without an Edition being sent, which takes minutes")
    return parser


def _on_sqlite(home: Path, cores: bench_machine.Cores, smtp_port: int, options: argparse.Namespace) -> dict[str, Any]:
    site = site_.Site(home, f"sqlite:///{home}/digest.db", cores, smtp_port)
    readers = bench_list.Readers(site_.NEAR, 2, 2 * options.rounds, options.requests)
    edition = bench_list.Readers(site_.EDITION, 2, sending.EDITIONS, options.edition)
    asyncio.run(site.make(readers, edition))
    bench = _Bench(site, options)
    rounds: Rounds = {}
    if not options.ours:
        with site.plain() as server:
            rounds |= bench.plain(server)
    with site.serving() as server:
        rounds |= bench.ours(server)
        beside = {} if options.no_edition else sending.measured(site, server)
        timed = timing.measured(site, server)
    figures = _figures(rounds)
    if beside:
        figures["one_click_while_sending_p99_ms"] = beside["one_click"]["p99_ms"]
    return {"figures": figures, "while_sending": beside, "timing": timed, "rounds": rounds}


def _on_postgresql(
    home: Path, cores: bench_machine.Cores, smtp_port: int, options: argparse.Namespace
) -> dict[str, Any]:
    """With its usual durability; the server has all cores."""
    with postgres.server("-c listen_addresses=") as url:
        folder = home / "postgresql"
        folder.mkdir()
        site = site_.Site(folder, url, cores, smtp_port)
        asyncio.run(site.make(bench_list.Readers(site_.NEAR, 2, 2 * options.rounds, options.requests)))
        bench = _Bench(site, options)
        with site.plain() as server:
            rounds = bench.plain(server)
        with site.serving() as server:
            rounds |= bench.ours(server)
    return {"figures": _figures(rounds), "rounds": rounds}


class _Bench:
    def __init__(self, site: site_.Site, options: argparse.Namespace) -> None:
        self.site, self.options = site, options
        self._strangers = itertools.count()

    def plain(self, server: site_.Server) -> Rounds:
        first = self.options.rounds + 1
        leaving = (self.site.leaving(site_.NEAR, first + number) for number in range(self.options.rounds))
        return self._rounds(
            server,
            {
                "plain_constant": lambda: [load.Ask("/")] * self.options.requests,
                "plain_one_click": lambda: next(leaving),
            },
        )

    def ours(self, server: site_.Server) -> Rounds:
        """In turns, so that a noisy minute hits all alike."""
        rounds = range(1, self.options.rounds + 1)
        fresh = (self.site.leaving(site_.NEAR, number) for number in rounds)
        again = itertools.cycle(self.site.leaving(site_.NEAR, number) for number in rounds)
        pages = self.site.leaving(site_.NEAR, 0)
        many = self.options.requests
        return self._rounds(
            server,
            {
                "one_click": lambda: next(fresh),
                "one_click_repeated": lambda: next(again),
                "one_click_forged": lambda: site_.forged(self.site.leaving(site_.NEAR, 1)),
                "sign_up_page": lambda: [load.Ask(f"/subscribe/{SLUG}")] * many,
                "unsubscribe_page": lambda: [load.Ask(pages[n % len(pages)].path) for n in range(many)],
                "home_page": lambda: [load.Ask("/")] * many,
                "sign_up": lambda: [self._stranger() for _ in range(many // 3)],
            },
        )

    def _stranger(self) -> load.Ask:
        """Somebody new, at a provider and a network of their own."""
        number = next(self._strangers)
        origin = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return site_.sign_up(f"reader{number}@s{number % 499}.example.org", SLUG, origin)

    def _rounds(self, server: site_.Server, asked: dict[str, Callable[[], Sequence[load.Ask]]]) -> Rounds:
        rounds: Rounds = {}
        for _ in range(self.options.rounds):
            for name, make in asked.items():
                rounds.setdefault(name, []).append(self._round(server, name, make()))
                # Whoever signed up is sent a mail.
                self.site.rest()
        return rounds

    def _round(self, server: site_.Server, name: str, asks: Sequence[load.Ask]) -> dict[str, Any]:
        before = server.cpu()
        how = load.Load(server.port, self.options.connections)
        found = load.run(how, asks, self.site.home, self.site.cores.sink)
        found["cpu_ms"] = round((server.cpu() - before) / found["requests"] * 1000, 3)
        if set(found["statuses"]) != {"200"}:
            raise site_.RefusedError(f"{name} was answered by {found['statuses']}")
        tell(f"  {name}: {found}")
        return found


def _figures(rounds: Rounds) -> dict[str, float]:
    """The best rate of each, and what others do in the same time."""
    found: dict[str, float] = {name: max(one["per_second"] for one in some) for name, some in rounds.items()}
    if "plain_constant" in found:
        found["page_of_plain_constant"] = round(found["sign_up_page"] / found["plain_constant"], 3)
        found["one_click_of_plain_one_click"] = round(found["one_click"] / found["plain_one_click"], 2)
    return found
