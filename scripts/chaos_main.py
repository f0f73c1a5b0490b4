"""Hurts a running service, and counts at the SMTP server who went without and who got a mail twice.

`scripts/chaos` is the whole of it (20,000 readers, up to an hour), `scripts/chaos --quick` a few minutes of it for
every commit, `scripts/chaos unsubscribe` looks whether leaving in the middle of a send takes effect at once. ONE JSON
document goes to stdout, progress to stderr; exit code 1 when a promise was broken. docs/chaos.md says what is counted.
"""

import argparse
import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import chaos_house
import chaos_run
import chaos_scenarios
import chaos_unsubscribe

READERS, QUICK_READERS = 20_000, 2_000
LIMIT_SECONDS, QUICK_LIMIT_SECONDS = 600, 150


def main() -> int:
    given = _arguments()
    started = time.monotonic()
    results = asyncio.run(_all(given))
    ok = all(not one["broken"] for scenarios in results.values() for one in scenarios.values())
    document = {
        "chaos": given.what,
        "is_quick": given.quick,
        "ok": ok,
        "seed": given.seed,
        "readers": given.readers,
        "seconds": round(time.monotonic() - started),
        "kills": {pair: sum(one["kills"] for one in found.values()) for pair, found in results.items()},
        "pairs": results,
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        # Above the number of cores, others were using the machine too: processes take longer to start.
        "load": [round(load, 1) for load in os.getloadavg()],
    }
    print(json.dumps(document, indent=2))
    return 0 if ok else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/chaos", description="Hurt a running service, and count its mails.")
    parser.add_argument("what", nargs="?", choices=("all", "unsubscribe"), default="all")
    parser.add_argument("--quick", action="store_true", help="2,000 readers and few blows: a few minutes")
    parser.add_argument("--pair", action="append", choices=chaos_house.PAIRS, help="only this database and engine")
    parser.add_argument("--scenario", action="append", help="only this scenario")
    parser.add_argument("--readers", type=int)
    parser.add_argument("--seed", type=int, default=int(time.time()) % 100_000, help="of all random choices")
    parser.add_argument("--keep", type=Path, help="folder for the logs of scenarios that broke a promise")
    given = parser.parse_args()
    given.readers = given.readers or (QUICK_READERS if given.quick else READERS)
    return given


async def _all(given: argparse.Namespace) -> dict[str, dict[str, Any]]:
    return {pair: await _pair(given, pair) for pair in given.pair or chaos_house.PAIRS}


async def _pair(given: argparse.Namespace, pair: str) -> dict[str, Any]:
    wanted = [one for one in _table(given) if one.fits(pair) and (not given.scenario or one.name in given.scenario)]
    chaos_run.say(f"{pair}: making {given.readers:,} readers (seed {given.seed})")
    async with chaos_house.ground(pair, given.readers) as ground:
        return {one.name: await _scenario(given, ground, one) for one in wanted}


def _table(given: argparse.Namespace) -> tuple[chaos_scenarios.Scenario, ...]:
    if given.what == "unsubscribe":
        return (chaos_unsubscribe.SCENARIO,)
    return chaos_scenarios.QUICK if given.quick else chaos_scenarios.ALL


async def _scenario(
    given: argparse.Namespace, ground: chaos_house.Ground, scenario: chaos_scenarios.Scenario
) -> dict[str, Any]:
    limit = QUICK_LIMIT_SECONDS if given.quick else LIMIT_SECONDS
    kind = chaos_unsubscribe.Leaving if given.what == "unsubscribe" else chaos_run.Run
    async with chaos_run.prepared(scenario, ground, given.seed, limit, kind) as run:
        found = await run.play()
    told = ("seconds", "accepted", "lost", "duplicated", "unexcused", "kills", "resumed_after_seconds", "broken")
    chaos_run.say(f"  {ground.model.pair} {scenario.name}: " + ", ".join(f"{name} {found[name]}" for name in told))
    if found["broken"]:
        kept = given.keep or Path(tempfile.mkdtemp(prefix="digest-chaos-broken-"))
        kept = kept / f"{ground.model.pair}-{scenario.name}"
        shutil.copytree(ground.folder / scenario.name, kept, dirs_exist_ok=True)
        chaos_run.say(f"    logs and ledger: {kept}")
    return found


if __name__ == "__main__":
    sys.exit(main())
