"""What a checker said of our mails, as values: for the table, the JSON document and docs/quality.md."""

import dataclasses
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TOOLS = Path(__file__).resolve().parent / "quality_tools"


class ToolError(Exception):
    """A checker is missing or did not do its work. Its text says what to do."""


@dataclasses.dataclass(frozen=True)
class Mail:
    """One mail to be judged; `html` is its HTML part as a file of its own."""

    name: str
    html: str
    text: str
    subject: str
    content: bytes


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something to be mended, and in which mail."""

    mail: str
    says: str


@dataclasses.dataclass(frozen=True)
class Verdict:
    """`figures` are what is worth knowing beside the findings."""

    checker: str
    version: str
    looked_at: int
    findings: tuple[Finding, ...]
    figures: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not self.findings and self.looked_at > 0


def run(command: Sequence[str], *, given: bytes = b"", codes: Sequence[int] = (0,), **more: Any) -> bytes:
    """What a program prints. Raises ToolError when it is missing or ends with another code."""
    try:
        done = subprocess.run(command, input=given, capture_output=True, timeout=900, **more)
    except FileNotFoundError:
        raise ToolError(f"{command[0]} is not installed; scripts/quality installs it when run as root") from None
    if done.returncode not in codes:
        said = done.stderr.decode("utf-8", "replace").strip()[-500:]
        raise ToolError(f"{command[0]} ended with {done.returncode}: {said}")
    return done.stdout
