"""A disk that is full: a small file system of its own where we may mount one, else nodes that may write no file.

The second is a substitute that needs no rights: RLIMIT_FSIZE set to nothing on the running nodes. Every write to a file
fails with it, as on a disk that broke, where a full disk still lets what is there be written over.
"""

import contextlib
import resource
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from chaos_house import House

# Room for the database and its log while all is well.
SIZE = "96m"
BALLAST, PIECE = "ballast", b"\0" * 65536


@contextlib.contextmanager
def small() -> Iterator[Path | None]:
    """A small file system, or None where none can be had."""
    folder = Path(tempfile.mkdtemp(prefix="digest-disk-"))
    try:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "digest-chaos", str(folder)]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            yield None
            return
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)
    finally:
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def full(house: House, pids: list[int]) -> Iterator[None]:
    """Nothing more can be written in this house as long as this lasts."""
    _empty_the_log(house)
    with _filled(house.home) if house.home.is_mount() else _forbidden(pids):
        yield


def _empty_the_log(house: House) -> None:
    """SQLite writes over its log from the start; only one that has to grow finds the disk full."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(house.home / "digest.db")) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def _filled(folder: Path) -> Iterator[None]:
    ballast = folder / BALLAST
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(PIECE)
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0")
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def _forbidden(pids: list[int]) -> Iterator[None]:
    before = {pid: resource.prlimit(pid, resource.RLIMIT_FSIZE) for pid in pids}
    for pid, (_, most) in before.items():
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        for pid, limits in before.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, limits)
