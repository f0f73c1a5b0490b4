"""The others: the same bytes to the same sink by smtp-source, aiosmtplib and nodemailer.

smtp-source runs twice: as it is, with a connection for each mail, and with kept connections (-d). None of them
composes, asks who may be mailed, or records anything.
"""

import dataclasses
import email
import email.policy
import functools
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import bench_tools

HERE = Path(__file__).resolve().parent
SENDER, RECIPIENT = "mia@example.org", "reader@d0.example.org"


@dataclasses.dataclass(frozen=True)
class Run:
    """`message` is one whole mail in a file, with CRLF; `core` is where the sending process runs."""

    port: int
    message: Path
    count: int
    connections: int
    core: int | None


def figures(mails: int, cpu_seconds: float, seconds: float) -> dict[str, float]:
    return {
        "cpu_ms": round(cpu_seconds / mails * 1000, 4),
        "per_second": round(mails / seconds),
        "mails": mails,
    }


def smtp_source(run: Run, *, keep: bool) -> dict[str, float]:
    program, environment = bench_tools.postfix("smtp-source")
    lines = run.message.with_suffix(".lines")
    # It ends each line itself.
    lines.write_bytes(run.message.read_bytes().replace(b"\r\n", b"\n"))
    many = ["-s", str(run.connections), "-m", str(run.count), *(["-d"] if keep else [])]
    command = [program, *many, "-F", lines, "-f", SENDER, "-t", RECIPIENT, f"127.0.0.1:{run.port}"]
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, preexec_fn=functools.partial(bench_tools.pin, run.core))
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise bench_tools.MissingError(f"smtp-source ended with {process.returncode}.")
    return figures(run.count, used.ru_utime + used.ru_stime, time.monotonic() - started)


def aiosmtplib(run: Run) -> dict[str, float]:
    """Command by command, as its `mail`, `rcpt` and `data` work."""
    return _told([sys.executable, str(HERE / "bench_aiosmtplib.py")], run, {"PYTHONPATH": str(HERE.parent)})


def nodemailer(run: Run, key: Path, selector: str, *, composes: bool = False) -> dict[str, float]:
    """Its pooled transport with DKIM; `message` is unsigned.

    It gets the mail whole and only signs it, or composes each from text and HTML, as those who use it do.
    """
    folder = bench_tools.nodemailer()
    dkim = {"domainName": "example.org", "keySelector": selector, "privateKey": key.read_text()}
    environment = {"NODE_PATH": str(folder / "node_modules")}
    parts = _parts(run.message.read_bytes()) if composes else None
    return _told(["node", str(HERE / "bench_nodemailer.js")], run, environment, dkim=dkim, parts=parts)


def _parts(content: bytes) -> dict[str, str]:
    found = email.message_from_bytes(content, policy=email.policy.default)
    plain, page = found.get_body(("plain",)), found.get_body(("html",))
    assert plain is not None
    assert page is not None
    return {"subject": found["Subject"], "text": plain.get_content(), "html": page.get_content()}


def _told(command: list[str], run: Run, environment: dict[str, str], **more: Any) -> dict[str, float]:
    """What a program of our own says it took, from its first mail to its last."""
    order = {**dataclasses.asdict(run), "message": str(run.message), "sender": SENDER, "recipient": RECIPIENT, **more}
    done = subprocess.run(
        command,
        input=json.dumps(order).encode(),
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        check=True,
        preexec_fn=functools.partial(bench_tools.pin, run.core),
    )
    took = json.loads(done.stdout)
    return figures(run.count, took["cpu_seconds"], took["seconds"])
