"""Mails into a folder, `<delivery>.eml` each: for development and for looking at what would be sent.

A file appears whole or not at all, and a second try of a Delivery replaces its first. Reads and leaves no rows.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from digest import errors
from digest.outbox.replies import Reply, Stage
from digest.outbox.transports import dialect
from digest.outbox.transports.news import News
from digest.outbox.transports.transport import Letter, Line

RELAY = "file"
# A full disk takes an empty file and refuses the first mail.
PROBE_BYTES = 8192
LOOK_AGAIN_SECONDS = 1.0


class FolderError(errors.DigestError):
    """The folder for outgoing mail cannot be used."""


class FolderLine:
    """A Line into the folder: each content is written by a thread, so that a slow disk holds up nothing else."""

    relay = RELAY

    def __init__(self, folder: Path, on_failure: Callable[[Reply], None]) -> None:
        self.is_usable = True
        self._folder, self._on_failure = folder, on_failure
        self._letter: Letter | None = None
        self._task: asyncio.Task[None] | None = None

    def announce(self, letter: Letter) -> asyncio.Future[Reply]:
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._letter = letter
        future.set_result(dialect.GO_AHEAD)
        return future

    def pour(self, following: Letter | None) -> tuple[asyncio.Future[Reply], asyncio.Future[Reply] | None]:
        if self._letter is None:
            raise RuntimeError("pour, but no letter was announced")
        poured: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._write(self._letter, poured))
        self._letter = None
        return poured, self._after(poured, following) if following is not None else None

    def abandon(self) -> None:
        self._letter, self.is_usable = None, False

    async def leave(self) -> None:
        if self._task is not None:
            await asyncio.wait([self._task])

    def _after(self, poured: "asyncio.Future[Reply]", following: Letter) -> asyncio.Future[Reply]:
        announced: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._letter = following

        def go_ahead(_: "asyncio.Future[Reply]") -> None:
            if not announced.done():
                announced.set_result(dialect.GO_AHEAD)

        poured.add_done_callback(go_ahead)
        return announced

    async def _write(self, letter: Letter, poured: "asyncio.Future[Reply]") -> None:
        problem = await asyncio.to_thread(_write, self._folder, f"{letter.delivery_id}.eml", letter.content)
        reply = _reply(self._folder, problem, Stage.CONTENT)
        if problem:
            self._on_failure(reply)
        if not poured.done():
            poured.set_result(reply)


class FileTransport:
    """As many lines as there are `connections`, and they are always connected."""

    relays = (RELAY,)

    def __init__(self, folder: Path, connections: int = 4) -> None:
        self.folder = folder
        self.connections = connections
        self._held: set[FolderLine] = set()
        self._failure: Reply | None = None
        self._look: asyncio.Task[None] | None = None
        self._news = News()

    async def open(self) -> None:
        problem = await asyncio.to_thread(_try_out, self.folder)
        if problem:
            raise FolderError(
                f"Cannot write mails to {self.folder}: {problem}. Check smtp.url and the folder's rights."
            )

    def take(self, relay: str | None = None, *, urgent: bool = False) -> Line | None:
        if self._failure:
            self._look = self._look or asyncio.create_task(self._look_again())
            return None
        kept = 0 if urgent or self.connections < 2 else max(self.connections // 8, 1)
        if relay not in (None, RELAY) or len(self._held) >= self.connections - kept:
            return None
        line = FolderLine(self.folder, self._fail)
        self._held.add(line)
        return line

    def give_back(self, line: Line) -> None:
        assert isinstance(line, FolderLine)
        self._held.discard(line)
        self._news.tell()

    def changed(self) -> Coroutine[Any, Any, None]:
        return self._news.next()

    def trouble(self, relay: str | None = None) -> Reply | None:
        return self._failure

    async def probe(self) -> Reply:
        return _reply(self.folder, await asyncio.to_thread(_try_out, self.folder), Stage.CONNECT)

    async def close(self) -> None:
        """Waits for what is being written."""
        if self._look:
            self._look.cancel()
        await asyncio.gather(*(line.leave() for line in self._held))

    def _fail(self, reply: Reply) -> None:
        """A disk that is full for one mail is so for the next; those need not find out one by one."""
        self._failure = reply
        self._news.tell()

    async def _look_again(self) -> None:
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        problem = await asyncio.to_thread(_try_out, self.folder)
        self._failure = _reply(self.folder, problem, Stage.CONTENT) if problem else None
        self._look = None
        self._news.tell()

    def __repr__(self) -> str:
        return f"FileTransport({str(self.folder)!r})"


def _reply(folder: Path, problem: str, success: Stage) -> Reply:
    if problem:
        # As a relay that is down: nothing is wrong with the mail, and a disk can be made room on.
        return Reply(0, f"cannot write to {folder}: {problem}", Stage.CONNECT)
    return Reply(250, f"written to {folder}", success)


def _try_out(folder: Path) -> str:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Rights bits say little (root, read-only mounts, quotas); writing says all.
        probe = folder / f".probe-{os.getpid()}"
        try:
            probe.write_bytes(bytes(PROBE_BYTES))
        finally:
            probe.unlink(missing_ok=True)
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
