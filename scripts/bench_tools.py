"""The programs we are compared with: Postfix's smtp-sink and smtp-source, and nodemailer.

Found on this machine, or fetched once into a cache folder and never installed. What cannot be had ends the bench with
a plain word: there are no figures without them.
"""

import contextlib
import functools
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

NODEMAILER = "nodemailer@10"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digest-bench"


class MissingError(Exception):
    """A program to compare with cannot be had."""


@functools.cache
def postfix(name: str) -> tuple[str, dict[str, str]]:
    """The path of smtp-sink or smtp-source, and the environment it needs."""
    if installed := shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"):
        return installed, dict(os.environ)
    unpacked = CACHE / "postfix"
    program, environment = unpacked / "usr/sbin" / name, _beside(unpacked)
    if not program.exists():
        _unpack(unpacked, ["postfix"])
    if not _has_libraries(program, environment):
        _unpack(unpacked, _libraries())
    if not _has_libraries(program, environment):
        raise MissingError(f"{program} lacks libraries that Debian's packages did not bring; install postfix yourself.")
    return str(program), environment


def _beside(unpacked: Path) -> dict[str, str]:
    places = [unpacked / "usr/lib/postfix", *sorted((unpacked / "usr/lib").glob("*-linux-gnu*"))]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(map(str, places))}


def _unpack(folder: Path, packages: list[str]) -> None:
    """Debian's own packages, unpacked and not installed: nothing on this machine changes but the cache folder."""
    folder.mkdir(parents=True, exist_ok=True)
    downloads = folder / "downloads"
    downloads.mkdir(exist_ok=True)
    _run(["apt-get", "download", *packages], downloads, "Postfix's smtp-sink and smtp-source; install postfix")
    for package in sorted(downloads.glob("*.deb")):
        _run(["dpkg", "-x", package.name, str(folder)], downloads, "dpkg, to unpack Debian's postfix package")
        package.unlink()


def _has_libraries(program: Path, environment: dict[str, str]) -> bool:
    told = subprocess.run(["ldd", program], env=environment, capture_output=True, text=True, check=False)
    return "not found" not in told.stdout


def _libraries() -> list[str]:
    command = ["apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts", "postfix"]
    told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    names = {line for line in told.splitlines() if line.startswith("lib") and not line.startswith("libc6")}
    return sorted(names)


@functools.cache
def nodemailer() -> Path:
    """The folder whose node_modules holds nodemailer."""
    folder = CACHE / "nodemailer"
    if not (folder / "node_modules" / "nodemailer").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), NODEMAILER], folder, "nodemailer")
    if not shutil.which("node"):
        raise MissingError("node is not here, and nodemailer cannot run without it.")
    return folder


def _run(command: list[str], folder: Path, what: str) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise MissingError(f"cannot get {what}: {command[0]}: {error.strerror}.") from None
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise MissingError(f"cannot get {what}: {command[0]} says: {last}")


@contextlib.contextmanager
def sink(core: int | None) -> Iterator[int]:
    """The port of a running smtp-sink, which takes every mail and throws it away."""
    program, environment = postfix("smtp-sink")
    port = free_port()
    account = ["-u", _account()] if os.geteuid() == 0 else []
    command = [program, *account, f"127.0.0.1:{port}", "1000"]
    with subprocess.Popen(command, env=environment, preexec_fn=functools.partial(pin, core)) as process:
        try:
            await_port(port)
            yield port
        finally:
            process.terminate()


def pin(core: int | None) -> None:
    """This process, and what it starts, to one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def await_port(port: int) -> None:
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise MissingError(f"nothing answers at 127.0.0.1:{port}.")


def _account() -> str:
    """smtp-sink refuses to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("nobody", "postfix", "daemon") if name in names)
