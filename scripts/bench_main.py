"""Measures what was promised: `scripts/bench plan` or `scripts/bench compose`.

Prints ONE JSON document on stdout: the figures, their limits, whether they were kept (`ok`), and the machine they were
taken on. Progress goes to stderr. Exit code 1 when a limit was broken.
"""

import importlib
import json
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BENCHES = ("plan", "compose")


def main() -> int:
    if len(sys.argv) != 2 or sys.argv[1] not in BENCHES:
        print(f"usage: scripts/bench {'|'.join(BENCHES)}", file=sys.stderr)
        return 2
    sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]
    figures = importlib.import_module(f"bench_{sys.argv[1]}").run()
    print(json.dumps({"bench": sys.argv[1], **figures, "machine": _machine()}, indent=2))
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
