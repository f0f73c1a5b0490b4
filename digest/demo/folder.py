"""The demonstration's own folder: database, keys and mails of its own, never those of an installation.

It is the system's temporary folder or one the operator names; that one must be empty or hold an earlier
demonstration, so that nobody's real database is taken for ours.
"""

import secrets
import shutil
import tempfile
from pathlib import Path

import pydantic

from digest import errors
from digest.settings import Database, Ingest, Settings, Smtp

MARK = "this-is-a-digest-demo.txt"
# All we ever write there, and so all we may delete.
OURS = ("mail", "var", MARK)


class FolderError(errors.DigestError):
    """The folder for the demonstration cannot be used."""


def prepare(named: Path | None) -> Path:
    """An empty folder, marked as ours. Raises FolderError rather than touch anything that is not."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="digest-demo-")) if named is None else named.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        _clear(folder)
        (folder / MARK).write_text("Made by `digest demo`; delete it when you like.\n", encoding="utf-8")
    except OSError as error:
        raise FolderError(f"cannot use {named or tempfile.gettempdir()} for the demo: {error.strerror}") from None
    return folder


def _clear(folder: Path) -> None:
    if not any(folder.iterdir()):
        return
    if not (folder / MARK).is_file():
        raise FolderError(f"{folder} is not empty and holds no earlier demo; name an empty folder with --home")
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Take away a folder we made."""
    shutil.rmtree(folder, ignore_errors=True)


def settings(
    folder: Path, *, base_url: str, smtp_url: str, allow_hosts: tuple[str, ...], interval_minutes: float | None = None
) -> Settings:
    """Settings with a database and a key of its own; the environment and config files of the operator have no say."""
    ingest = Ingest(allow_hosts=allow_hosts)
    if interval_minutes:
        ingest = ingest.model_copy(update={"interval_minutes": interval_minutes})
    return Settings(
        base_url=base_url,
        # The database is new, so there is no other installation to be mistaken for.
        instance="demo",
        secret_keys=pydantic.SecretStr(secrets.token_urlsafe(32)),
        database=Database(url=f"sqlite:///{folder / 'var' / 'demo.db'}"),
        smtp=Smtp(url=smtp_url),
        ingest=ingest,
    )
