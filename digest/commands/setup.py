"""`init` and `db upgrade`: from an empty folder to an installation, safe to repeat at any point.

Leaves settings, keys, the installation's name, a database with its schema, and the shipped Publication applied.
Never overwrites a file.
"""

import os
import secrets
import shutil
from pathlib import Path

from digest import config, database, links, publications, templating
from digest.audience import apply as applying
from digest.commands import content, output, session
from digest.run import instance, loop, schema, wiring

FIRST_PUBLICATION = "mias-feed"
# 48 random bytes are 64 characters: twice what links.MIN_KEY_LENGTH asks for.
KEY_BYTES = 48


def init() -> int:
    home = config.home()
    var = home / "var"
    var.mkdir(mode=0o700, parents=True, exist_ok=True)
    _shipped(Path("digest.toml"), home)
    settings = _with_keys(home)
    session.log(settings)
    links.Signer(settings.keys())  # before the database, so that weak keys leave nothing half done
    first = _first_publication(home)
    with session.in_words(settings):
        loop.run(_set_up(settings, home, first))
    print(f"\nReady in {home}. Next:")
    print(f"  look through   {home / 'config' / 'digest.toml'} and set DIGEST_SMTP_URL")
    print(f"  bring articles digest ingest {FIRST_PUBLICATION} URL-OR-FILE")
    print(f"  bring readers  digest subscribers import {FIRST_PUBLICATION} FILE.csv --confirmed")
    print("  and send       digest run   (or: digest serve)")
    return 0


def _first_publication(home: Path) -> Path | None:
    """The file of the shipped Publication; none for those who have their own and not this one."""
    name = Path("publications") / f"{FIRST_PUBLICATION}.toml"
    path = home / "config" / name
    if not path.exists() and any(path.parent.glob("*.toml")):
        return None
    _shipped(name, home)
    return path


def upgrade() -> int:
    settings = config.load(config.home())
    session.log(settings)
    with session.in_words(settings):
        changed = loop.run(_upgrade(settings))
    print("The database has the newest schema now." if changed else "The database has the newest schema already.")
    return 0


def _say(what: str, where: object, is_new: bool) -> None:
    print(f"  {'made' if is_new else 'kept'}  {what}  {where}")


def _shipped(name: Path, home: Path) -> None:
    """Copy a shipped settings file, unless there is one."""
    target = home / "config" / name
    is_new = not target.exists()
    if is_new:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(templating.data_dir("config") / name, target)
    _say("settings     ", target, is_new)


def _with_keys(home: Path) -> config.Settings:
    """The Settings, with fresh keys kept in `var/` if none are given. All other mistakes come first."""
    settings = config.load(home)
    path = config.keys_file(home)
    if settings.keys():
        _say("secret keys  ", path if path.exists() else "from DIGEST_SECRET_KEYS", is_new=False)
        return settings
    _write_secret(path, secrets.token_urlsafe(KEY_BYTES))
    _say("secret keys  ", f"{path} (keep a copy: links in sent mails work only with them)", is_new=True)
    return config.load(home)


def _write_secret(path: Path, text: str) -> None:
    # An empty file is what a crash between making and writing left behind.
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


async def _upgrade(settings: config.Settings) -> bool:
    db = database.connect(settings.database.url)
    try:
        return await schema.upgrade(db)
    finally:
        await db.close()


async def _set_up(settings: config.Settings, home: Path, first: Path | None) -> None:
    url = database.shown(database.parse_url(settings.database.url))
    _say("database     ", url, await _upgrade(settings))
    is_named = instance.is_named(home, settings.instance)
    async with wiring.build(settings, home) as parts:
        await _claim(parts, is_new=not is_named)
        await _apply(parts, first)


async def _claim(parts: wiring.Parts, *, is_new: bool) -> None:
    """A database of another installation is set up all the same: pages are served, only mail is fenced."""
    try:
        await instance.check(parts.db, parts.instance)
    except instance.InstanceError as error:
        output.remark(str(error))
    else:
        _say("installation ", parts.instance, is_new)


async def _apply(parts: wiring.Parts, path: Path | None) -> None:
    if path is None:
        return
    applied = await applying.apply(parts.db, publications.read(path), parts.clock())
    _say("publication  ", f"{path.stem} ({content.outcome(applied)})", is_new=applied.created)
