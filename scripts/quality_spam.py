"""SpamAssassin and rspamd score each mail as a receiver would, as far as that goes without the network.

What needs DNS or somebody's list is off in both: SPF, DKIM, DMARC, block lists, the sender's host name. So the figures
are about the mail itself; its signature is verified in the tests.
"""

import contextlib
import mailbox
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
from quality_verdict import Finding, Mail, ToolError, Verdict, run

_STATUS = re.compile(r"score=(-?[\d.]+) required=[\d.]+ tests=(.*?)\s+autolearn", re.DOTALL)
# Without Bayes, which would learn from what it is shown, and forget it with the temporary folder.
PREFERENCES = "use_bayes 0\nuse_auto_whitelist 0\nuse_txrep 0\n"
# rspamd takes 15 for spam and greylists from 4 on. It gives a point when the number of links is odd, as in half of all
# mails by chance, and up to one where an Arabic mail names things in Latin letters.
MOST_RSPAMD = 2.0
RSPAMD = Path("/etc/rspamd")
NEEDS_NETWORK = (
    *("arc", "asn", "dkim", "dmarc", "fuzzy_check", "greylist", "hfilter", "history_redis", "mx_check", "neural"),
    *("phishing", "ratelimit", "rbl", "replies", "reputation", "rspamd_update", "spf", "surbl", "url_redirector"),
)
START_SECONDS = 90


def spamassassin(mails: Sequence[Mail]) -> Verdict:
    """`spamassassin -t -L` over all of them at once. Nobody's mail should get a point, so ours must have 0 at most."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "preferences").write_text(PREFERENCES)
        box = _mailbox(home / "in.mbox", mails)
        command = ["spamassassin", "-t", "-L", "-p", str(home / "preferences"), "--mbox", str(box)]
        (home / "out.mbox").write_bytes(run(command, env=os.environ | {"HOME": folder}))
        answers = [str(found["X-Spam-Status"]) for found in mailbox.mbox(home / "out.mbox")]
    scores, rules, findings = [], Counter[str](), []
    for mail, answer in zip(mails, answers, strict=True):
        score, hits = scored(answer)
        scores.append(score)
        rules.update(hits)
        if score > 0:
            findings.append(Finding(mail.name, f"{score} points: {', '.join(hits)}"))
    version = run(["spamassassin", "--version"]).decode().split("\n")[0].removeprefix("SpamAssassin version ")
    return Verdict("SpamAssassin", version, len(scores), tuple(findings), _figures(scores, rules))


def scored(answer: str) -> tuple[float, list[str]]:
    """The points of an X-Spam-Status line, and the rules that gave or took them."""
    found = _STATUS.search(answer)
    if not found:
        raise ToolError(f"SpamAssassin said something else: {answer[:200]}")
    return float(found[1]), re.findall(r"\w+", found[2])


def _mailbox(path: Path, mails: Sequence[Mail]) -> Path:
    box = mailbox.mbox(path)
    for mail in mails:
        box.add(mail.content)
    box.close()
    return path


def rspamd(mails: Sequence[Mail]) -> Verdict:
    """Through a server of our own on this machine, with Debian's rules."""
    scores, rules, findings = [], Counter[str](), []
    with _server() as url, httpx.Client(timeout=60, trust_env=False) as client:
        for mail in mails:
            answer = client.post(f"{url}/checkv2", content=mail.content, headers=_envelope()).raise_for_status().json()
            score, hits = float(answer["score"]), {name: one["score"] for name, one in answer["symbols"].items()}
            scores.append(round(score, 2))
            rules.update(name for name, points in hits.items() if points > 0)
            if answer["action"] != "no action" or score > MOST_RSPAMD:
                said = ", ".join(f"{name} {points}" for name, points in hits.items() if points > 0)
                findings.append(Finding(mail.name, f"{answer['action']}, {score:.2f} points: {said}"))
    version = run(["rspamd", "--version"]).decode().split("\n")[0].split()[-1]
    return Verdict("rspamd", version, len(scores), tuple(findings), _figures(scores, rules))


def _envelope() -> dict[str, str]:
    return {
        "IP": "192.0.2.25",
        "Hostname": "relay.mias-feed.example",
        "Helo": "relay.mias-feed.example",
        "From": "digest@mias-feed.example",
        "Rcpt": "anna.berg@example.org",
    }


@contextlib.contextmanager
def _server() -> Iterator[str]:
    """Ends with it. Raises ToolError when it does not come up."""
    if not RSPAMD.is_dir() or not shutil.which("rspamd"):
        raise ToolError("rspamd is not installed; scripts/quality installs it when run as root")
    with tempfile.TemporaryDirectory(prefix="rspamd-") as folder:
        home, port = Path(folder), _free_port()
        configure(home, port)
        with (home / "log").open("wb") as log:
            server = subprocess.Popen(_command(home), stdout=log, stderr=log)
        try:
            _wait(server, port, home / "log")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


def configure(home: Path, port: int) -> None:
    shutil.copytree(RSPAMD, home / "conf", dirs_exist_ok=True)
    ours = home / "conf" / "override.d"
    for module in NEEDS_NETWORK:
        (ours / f"{module}.conf").write_text("enabled = false;\n")
    # A name server that is not there: whatever asks all the same is told so at once.
    (ours / "options.inc").write_text('dns { nameserver = ["127.0.0.1:1:1"]; timeout = 0.1s; retransmits = 1; }\n')
    (ours / "logging.inc").write_text('type = "console"; level = "error";\n')
    (ours / "worker-normal.inc").write_text(f'bind_socket = "127.0.0.1:{port}"; count = 1;\n')
    for worker in ("controller", "proxy", "fuzzy"):
        (ours / f"worker-{worker}.inc").write_text("enabled = false;\n")
    for name in ("db", "run"):
        (home / name).mkdir()


def _command(home: Path) -> list[str]:
    places = {"CONFDIR": "conf", "LOCAL_CONFDIR": "conf", "DBDIR": "db", "RUNDIR": "run", "LOGDIR": "run"}
    variables = [f"--var={name}={home / folder}" for name, folder in places.items()]
    # As root it insists on being told so; it reads nothing but what stands here.
    return ["rspamd", "-f", "-i", "-c", str(home / "conf" / "rspamd.conf"), *variables]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """It compiles its rules first."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise ToolError(f"rspamd did not come up: {log.read_text(errors='replace')[-500:]}")


def _figures(scores: Sequence[float], rules: Counter[str]) -> dict[str, Any]:
    return {"lowest": min(scores), "highest": max(scores), "rules": dict(rules.most_common())}
