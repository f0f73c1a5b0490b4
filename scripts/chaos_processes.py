"""The processes of a run: SMTP servers and nodes, each of which can be killed and started again.

A node names itself to the SMTP server, with another name at each start, so that the ledger tells whose connections
were open when it died.
"""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path

from chaos_count import Blow, Ledger
from chaos_house import ROOT, House

from tests.support.rudeness import Rudeness

# A node that is asked to end waits for replies on the wire; what it may take is the content timeout and a little.
ENDING_SECONDS = 30
SINK = (sys.executable, "-m", "tests.support.sink")


class Relay:
    """An SMTP server on a port of its own, and its ledger."""

    def __init__(self, name: str, folder: Path, seed: int) -> None:
        self.name, self._seed = name, seed
        self._ledger = folder / f"{name}.ledger"
        self._ledger.touch()
        self._read = 0
        self._rest = ""
        self.rude = Rudeness()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]

    async def start(self) -> None:
        self._seed += 1
        options = ("--ledger", self._ledger, "--port", str(self.port), "--seed", str(self._seed))
        pipe = asyncio.subprocess.PIPE
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self._process = await asyncio.create_subprocess_exec(*SINK, *options, stdin=pipe, stdout=pipe, env=environment)
        await self._hear("listening")
        await self.become(self.rude)

    async def become(self, rude: Rudeness) -> None:
        self.rude = rude
        assert self._process.stdin
        self._process.stdin.write(json.dumps(vars(rude)).encode() + b"\n")
        await self._hear("ok")

    async def _hear(self, what: str) -> None:
        assert self._process.stdout
        line = (await self._process.stdout.readline()).decode()
        if not line.startswith(what):
            raise RuntimeError(f"the SMTP server said {line!r}")

    async def kill(self) -> None:
        self._process.kill()
        await self._process.wait()

    async def freeze(self, seconds: float) -> None:
        self._process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    def read_into(self, ledger: Ledger) -> None:
        """What was written down since the last look; a line that is still being written comes with the next."""
        with self._ledger.open(encoding="utf-8") as file:
            file.seek(self._read)
            *lines, self._rest = file.read().split("\n")
            self._read = file.tell() - len(self._rest.encode())
        ledger.read(self.name, lines)


class Node:
    """A process of the service: `digest serve`, or `digest worker`. Its name is the verb and a number."""

    def __init__(self, house: House, name: str, notes: Path, relays: list[Relay], settings: dict[str, str]) -> None:
        self.house, self.name, self.relays, self.settings = house, name, relays, settings
        self.verb = name.rstrip("0123456789")
        self.starts = 0
        # While it is being hurt, nobody else is to start it.
        self.is_in_hand = False
        self.log = notes / f"{name}.log"
        self._home = notes / f"{name}.home"

    @property
    def title(self) -> str:
        """How its present process calls itself in the ledger."""
        return f"{self.name}-{self.starts}.chaos.test"

    async def start(self) -> None:
        self.starts += 1
        self.is_in_hand = False
        self._write_settings()
        environment = self.house.environment(DIGEST_HOME=str(self._home), **self.settings)
        options = ("--port", "0") if self.verb == "serve" else ()
        with self.log.open("ab") as output:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "digest", self.verb, *options), env=environment, stdout=output, stderr=output
            )

    def _write_settings(self) -> None:
        """Relays are named in a file, and each of our processes names itself to them."""
        urls = {relay.name: f"smtp://127.0.0.1:{relay.port}?helo={self.title}" for relay in self.relays}
        if len(urls) == 1:
            self.settings["DIGEST_SMTP_URL"] = next(iter(urls.values()))
        lines = [f'    {{ name = "{name}", url = "{url}" }},' for name, url in urls.items() if len(urls) > 1]
        (self._home / "config").mkdir(parents=True, exist_ok=True)
        text = "\n".join(["[smtp]", "relays = [", *lines, "]"]) if lines else ""
        (self._home / "config" / "digest.toml").write_text(text, encoding="utf-8")

    async def kill(self) -> Blow:
        self.is_in_hand, at, title = True, time.monotonic(), self.title
        if self.is_running:
            self.process.kill()
        await self.process.wait()
        return Blow(f"kill {self.verb}", title, at, time.monotonic())

    async def end(self) -> tuple[Blow, int | None]:
        """As a service manager ends it; with the exit code, None if it had to be killed."""
        self.is_in_hand, at, title = True, time.monotonic(), self.title
        if self.is_running:
            self.process.send_signal(signal.SIGTERM)
        try:
            code: int | None = await asyncio.wait_for(self.process.wait(), ENDING_SECONDS)
        except TimeoutError:
            await self.kill()
            code = None
        return Blow(f"end {self.verb}", title, at, time.monotonic(), is_gentle=True), code

    async def freeze(self, seconds: float) -> Blow:
        """Stopped for longer than a lease lasts, then let run on as if nothing had happened."""
        at = time.monotonic()
        self.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self.process.send_signal(signal.SIGCONT)
        return Blow(f"freeze {self.verb}", self.title, at, time.monotonic())

    def children(self) -> list[int]:
        """The processes it has started; none where the system does not tell."""
        try:
            return [
                int(pid)
                for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            ]
        except OSError:
            return []

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    @property
    def is_running(self) -> bool:
        return self.process.returncode is None
