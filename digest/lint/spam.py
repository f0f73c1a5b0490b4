"""What spam filters on this machine say of a mail. Whichever is installed is asked; none has to be.

Runs a program and waits for it; nothing leaves the machine (SpamAssassin is told to make no look-ups).
"""

import re
import shutil
import subprocess
from collections.abc import Iterator

from digest.lint.finding import Finding, hint, shown, warning

SECONDS = 60
SPAMASSASSIN = ("spamassassin", "-t", "-L")
RSPAMD = ("rspamc", "symbols")
_SCORE = re.compile(r"score=(-?[\d.]+)|Score:\s*(-?[\d.]+)")


def check(content: bytes) -> Iterator[Finding]:
    for name, command in (("SpamAssassin", SPAMASSASSIN), ("rspamd", RSPAMD)):
        if shutil.which(command[0]):
            yield from _asked(name, command, content)


def _asked(name: str, command: tuple[str, ...], content: bytes) -> Iterator[Finding]:
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as problem:
        yield hint("spam-filter", name, f"gave no answer: {type(problem).__name__}", "ask it by hand")
        return
    said = done.stdout.decode("utf-8", "replace")
    found = _SCORE.search(said)
    if found is None:
        reason = shown(done.stderr.decode("utf-8", "replace") or said)
        yield hint("spam-filter", name, f"gave no score: {reason}", "see whether it runs")
        return
    score = float(found[1] or found[2])
    if score > 0:
        yield warning("spam-score", name, f"gives it {score}", f"see which rules: {' '.join(command)} < FILE")
