"""Measures what was promised: `scripts/bench plan`, `compose`, `throttle`, `sparing`, `send`, `million` and others.

Prints ONE JSON document on stdout: the figures, their limits, whether they were kept (`ok`), and the machine they were
taken on. Progress goes to stderr. Exit code 1 when a limit was broken or a figure could not be had.
"""

import importlib
import json
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ("plan", "compose", "throttle", "sparing")
# These take options; see --help of each.
WITH_OPTIONS = ("send", "million", "scale", "import", "web")


def main() -> int:
    name, *arguments = sys.argv[1:] or [""]
    if name not in BENCHES + WITH_OPTIONS or (arguments and name in BENCHES):
        print(f"usage: scripts/bench {'|'.join(BENCHES + WITH_OPTIONS)}", file=sys.stderr)
        return 2
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    bench = importlib.import_module(f"bench_{name}")
    missing = importlib.import_module("bench_tools").MissingError
    try:
        figures = bench.run(arguments) if name in WITH_OPTIONS else bench.run()
    except missing as error:
        print(f"scripts/bench {name}: {error} Without it there is nothing to compare with.", file=sys.stderr)
        return 1
    print(json.dumps({"bench": name, **figures, "machine": _machine()}, indent=2))
    return 0 if figures["ok"] else 1


def _machine() -> dict[str, object]:
    return {
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        # Above the number of cores, others were using the machine too and wall times are too long.
        "load": [round(load, 2) for load in os.getloadavg()],
    }


if __name__ == "__main__":
    sys.exit(main())
