"""Where the templates of a mail lie, and whose file counts: a Publication's own, the installation's, the one shipped.

A file laid over another takes its place and copies nothing else. Reads only which files there are.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from digest import templating

# What is a template. An editor's backup or a system's hidden file beside them is none.
KINDS = ("html", "txt", "css")
OWN = "templates"


@dataclass(frozen=True)
class Folders:
    """`house` is what an installation lays over all its mails, `publications` holds `<slug>/templates` of each."""

    shipped: Path
    house: Path | None = None
    publications: Path | None = None

    def roots(self, slug: str) -> tuple[Path, ...]:
        """The folders there are for this Publication, the first that has a file wins."""
        over = (self.own(slug), self.house)
        return (*(folder for folder in over if folder and _can_be_read(folder)), self.shipped)

    def own(self, slug: str) -> Path | None:
        return self.publications / slug / OWN if self.publications and slug else None


def _can_be_read(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)


def shipped() -> Folders:
    return Folders(templating.data_dir("templates") / "email")


def fingerprint(roots: Sequence[Path]) -> str:
    """Changes whenever a template does. Asked for each mail composed, so it looks and never reads."""
    found = hashlib.sha256()
    for root in roots:
        for line in sorted(_files(str(root))):
            found.update(line.encode("utf-8", "surrogateescape"))
    return found.hexdigest()


def _files(folder: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(entry.path)
            elif entry.name.endswith(KINDS):
                yield f"{entry.path}\0{_version(entry)}\n"


def _version(entry: os.DirEntry[str]) -> str:
    try:
        status = entry.stat()
    except OSError:
        return ""  # a link to nowhere: whoever reads it says so
    return f"{status.st_mtime_ns}\0{status.st_size}"
