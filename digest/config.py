"""Settings: `config/digest.toml` overlaid by `DIGEST_…` environment, checked as a whole.

The keys themselves are in `settings`. Secrets come only from the environment or from files named by `…_FILE`. Only
`run/wiring.py` and the doors read Settings; parts receive values.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pydantic
from pydantic import BaseModel

from digest import errors, publications
from digest.settings import Settings as Settings

PREFIX = "DIGEST_"
# Read by the entry points themselves, before and beside the settings.
OUTSIDE = ("DIGEST_HOME",)
SECRETS = (("secret_keys",), ("smtp", "password"), ("metrics", "token"))


class ConfigError(errors.DigestError):
    """The settings are wrong: one line for each mistake."""


def home(environment: Mapping[str, str] = os.environ) -> Path:
    """The folder that holds `config/` and `var/`: DIGEST_HOME, else the current one."""
    return Path(environment.get("DIGEST_HOME") or ".").resolve()


def load(folder: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The Settings of an installation. Raises ConfigError with every mistake at once."""
    settings, mistakes = inspect(folder, environment)
    if mistakes or settings is None:
        raise ConfigError("\n".join(mistakes))
    return settings


def inspect(folder: Path, environment: Mapping[str, str] = os.environ) -> tuple[Settings | None, list[str]]:
    """The Settings if they can be read, and one line per mistake."""
    path = folder / "config" / "digest.toml"
    values, mistakes = _read_file(path)
    mistakes += _misplaced_secrets(path, values)
    mistakes += _overlay(values, environment)
    mistakes += _relay_passwords(path, folder, values)
    values.setdefault("secret_keys", _kept_keys(folder))
    settings, wrong = _validated(path, values)
    return (_anchored(settings, folder) if settings else None), mistakes + wrong


def _validated(path: Path, values: dict[str, Any]) -> tuple[Settings | None, list[str]]:
    """The Settings of what is right, so that one mistake does not hide those that only a whole shows."""
    try:
        return Settings.model_validate(values), []
    except pydantic.ValidationError as error:
        wrong = [_with_variable(line) for line in publications.complaints(str(path), error)]
        for fault in error.errors():
            _drop(values, fault["loc"])
    try:
        return Settings.model_validate(values), wrong
    except pydantic.ValidationError:
        return None, wrong


def _drop(values: Any, place: tuple[int | str, ...]) -> None:
    """Take out what is wrong there; of a list all of it."""
    for key, further in zip(place, (*place[1:], None), strict=True):
        if isinstance(values, dict) and (further is None or isinstance(further, int)):
            values.pop(key, None)
        values = values.get(key) if isinstance(values, dict) else None


def _read_file(path: Path) -> tuple[dict[str, Any], list[str]]:
    if not path.exists():
        return {}, []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except OSError as error:
        return {}, [f"cannot read {path}: {error.strerror}"]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return {}, [f"{path} is no valid TOML: {error}"]


def _misplaced_secrets(path: Path, values: dict[str, Any]) -> list[str]:
    """Secrets in a file under version control leak; they are taken out and complained of."""
    found = []
    for *sections, key in SECRETS:
        table: Any = values
        for section in sections:
            table = table.get(section, {})
        if isinstance(table, dict) and table.pop(key, None) is not None:
            variable = _variable((*sections, key))
            found.append(
                f"{path}: {'.'.join((*sections, key))}: secrets do not belong here; set {variable}_FILE instead"
            )
    return found


def _relay_passwords(path: Path, folder: Path, values: dict[str, Any]) -> list[str]:
    """Each relay's password is read from the file it names, and taken from nowhere else."""
    found = []
    smtp = values.get("smtp")
    relays = smtp.get("relays") if isinstance(smtp, dict) else None
    for number, relay in enumerate(relays if isinstance(relays, list) else ()):
        if not isinstance(relay, dict):
            continue
        key = f"{path}: smtp.relays.{number}"
        if relay.pop("password", None) is not None:
            found.append(f"{key}.password: secrets do not belong here; write it into a file and set password_file")
        named = relay.get("password_file")
        if isinstance(named, str) and named:
            try:
                relay["password"] = (folder / named).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                found.append(f"{key}.password_file: cannot read {named}: {getattr(error, 'strerror', error)}")
    return found


def _overlay(values: dict[str, Any], environment: Mapping[str, str]) -> list[str]:
    known = {_variable(keys): keys for keys in _leaves(Settings)}
    mistakes = []
    for name, text in environment.items():
        if not name.startswith(PREFIX) or name in OUTSIDE or name.startswith("DIGEST_TEST_"):
            continue
        keys = known.get(name) or known.get(name.removesuffix("_FILE"))
        if keys is None:
            near = difflib.get_close_matches(name, known, n=1)
            mistakes.append(f"{name}: no such setting" + (f"; did you mean {near[0]}?" if near else ""))
            continue
        if name not in known:
            try:
                text = Path(text).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                mistakes.append(f"{name}: cannot read {text}: {getattr(error, 'strerror', error)}")
                continue
        _put(values, keys, text)
    return mistakes


def _put(values: dict[str, Any], keys: tuple[str, ...], text: str) -> None:
    for section in keys[:-1]:
        values = values.setdefault(section, {})
    values[keys[-1]] = [part.strip() for part in text.split(",")] if keys[-1] == "allow_hosts" else text


def _leaves(model: type[BaseModel], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _leaves(field.annotation, (*above, name))
        else:
            yield (*above, name)


def _variable(keys: tuple[str, ...]) -> str:
    return PREFIX + "_".join(keys).upper()


def _with_variable(line: str) -> str:
    """Where a value may have come from the environment, its variable is named too."""
    for keys in _leaves(Settings):
        if f": {'.'.join(keys)}: " in line:
            return f"{line} (or {_variable(keys)})"
    return line


def keys_file(folder: Path) -> Path:
    """Where `digest init` keeps the signing keys, mode 0600."""
    return folder / "var" / "secret_keys"


def _kept_keys(folder: Path) -> str:
    try:
        return keys_file(folder).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def _anchored(settings: Settings, folder: Path) -> Settings:
    """A relative SQLite path is meant from the home folder, not from wherever the command was typed."""
    marker = "sqlite:///"
    url = settings.database.url
    if not url.startswith(marker) or url.startswith(marker + "/"):
        return settings
    anchored = f"{marker}{folder / url.removeprefix(marker)}"
    return settings.model_copy(update={"database": settings.database.model_copy(update={"url": anchored})})
