"""Mails into a folder, `<delivery>.eml` each: for development and for looking at what would be sent.

A file appears whole or not at all, and a second try of a Delivery replaces its first. Reads and leaves no rows.
"""

import asyncio
import contextlib
import os
from pathlib import Path

from digest import errors
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports.transport import Letter


class FolderError(errors.DigestError):
    """The folder for outgoing mail cannot be used."""


class FileTransport:
    """Writes to the disk in threads, as many at once as there are `connections`."""

    def __init__(self, folder: Path, connections: int = 4) -> None:
        self.folder = folder
        self.connections = connections
        self._places = asyncio.Semaphore(connections)

    async def open(self) -> None:
        problem = await asyncio.to_thread(_try_out, self.folder)
        if problem:
            raise FolderError(
                f"Cannot write mails to {self.folder}: {problem}. Check smtp.url and the folder's rights."
            )

    async def send(self, letter: Letter) -> Reply:
        async with self._places:
            problem = await asyncio.to_thread(_write, self.folder, f"{letter.delivery_id}.eml", letter.content)
        return self._reply(problem, Stage.CONTENT)

    async def probe(self) -> Reply:
        return self._reply(await asyncio.to_thread(_try_out, self.folder), Stage.CONNECT)

    async def close(self) -> None:
        """Nothing is kept open between mails."""

    def _reply(self, problem: str, success: Stage) -> Reply:
        if problem:
            # As a relay that is down: nothing is wrong with the mail, and a disk can be made room on.
            return Reply(0, f"cannot write to {self.folder}: {problem}", Stage.CONNECT)
        return Reply(250, f"written to {self.folder}", success)

    def __repr__(self) -> str:
        return f"FileTransport({str(self.folder)!r})"


def _try_out(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Rights bits say little (root, read-only mounts, quotas); writing says all.
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return ""


def _write(folder: Path, name: str, content: bytes) -> str:
    """Nothing, or what went wrong. After a crash at any point the folder holds the old file, the new, or none."""
    draft = folder / f".{name}.{os.getpid()}"
    try:
        with draft.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(folder / name)
        _sync(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        return error.strerror or str(error)
    return ""


def _sync(folder: Path) -> None:
    """The rename itself survives a power cut only once the folder is on the disk too."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
