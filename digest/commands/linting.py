"""`lint-mail`: what a strict reader would object to in a mail, in plain words. Needs no settings and no database."""

import asyncio
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path

from digest.commands import output
from digest.lint import finding, letter, online, spam, whole

Found = list[finding.Finding]


def run(files: Sequence[Path], *, is_online: bool, as_json: bool) -> int:
    """1 where there are errors; warnings and hints are for whoever reads them."""
    found = {str(path): _checked(path, is_online=is_online) for path in files}
    has_errors = any(one.severity is finding.Severity.ERROR for some in found.values() for one in some)
    document = {
        "files": {name: [dataclasses.asdict(one) for one in some] for name, some in found.items()},
        "ok": not has_errors,
    }
    lines = [line for name, some in found.items() for line in _told(name, some)]
    output.show(document, lines, as_json=as_json)
    return 1 if has_errors else 0


def _checked(path: Path, *, is_online: bool) -> Found:
    content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        found = [*whole.check(content), *spam.check(content)]
    except letter.LetterError as error:
        raise letter.LetterError(f"{path}: {error}") from None
    if is_online:
        found += asyncio.run(online.check(content))
    return found


def _told(name: str, found: Found) -> list[str]:
    if not found:
        return [f"{name}: nothing to object to"]
    lines = [f"{name}:"]
    for one in found:
        lines.append(f"  {one.severity}: {one.where}: {one.what} [{one.rule}]")
        lines.append(f"      {one.cure}")
    return lines
