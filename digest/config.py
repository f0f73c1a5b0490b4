"""Settings: `config/digest.toml` overlaid by `DIGEST_…` environment, checked as a whole.

Owns the list of every key with its default. Secrets come only from the environment or from files named by
`…_FILE`, and show as asterisks in a repr. Only `run/wiring.py` and the doors read Settings; parts receive values.
"""

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from digest import errors, publications, urls

PREFIX = "DIGEST_"
# Read by the entry points themselves, before and beside the settings.
OUTSIDE = ("DIGEST_HOME",)
SECRETS = (("secret_keys",), ("smtp", "password"), ("metrics", "token"))


class ConfigError(errors.DigestError):
    """The settings are wrong: one line for each mistake."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Database(Part):
    url: str = "sqlite:///var/digest.db"


class Relay(Part):
    """One of several. `password` is what the file held."""

    # Deliveries keep it for years, and logs and metrics show it.
    name: str = Field("", pattern=r"^[A-Za-z0-9._:-]{0,60}$")
    url: str
    weight: float = Field(1, gt=0, le=1000)
    connections: int = Field(0, ge=0, le=500)
    password_file: str = ""
    password: SecretStr | None = None


class Smtp(Part):
    """`url` is smtp://user@host:587 (STARTTLS), smtps://user@host:465, or file:///folder for development."""

    url: str = ""
    relays: tuple[Relay, ...] = ()
    password: SecretStr | None = None
    connections: int = Field(16, ge=1, le=500)
    # RFC 5321 §4.5.3.2 asks for ten minutes at the final dot; relays in use need at most five, and SIGTERM waits.
    timeout_seconds: float = Field(300, gt=0)
    doubt: Literal["resend", "hold"] = "resend"
    # The SenderId that Gmail asks for: 5 to 15 characters, the same in all our mail.
    feedback_id: str = Field("", pattern=r"^([A-Za-z0-9._-]{5,15})?$")

    @pydantic.field_validator("relays", mode="before")
    @classmethod
    def _only_in_the_file(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError("several relays are written in config/digest.toml only")
        return value

    @pydantic.model_validator(mode="after")
    def _is_one_way(self) -> "Smtp":
        if self.url and self.relays:
            raise ValueError("url names one relay and relays several: use one of them (DIGEST_SMTP_URL sets url)")
        return self

    @property
    def urls(self) -> tuple[str, ...]:
        """Where mail may go; nothing if it cannot leave."""
        return tuple(relay.url for relay in self.relays) or ((self.url,) if self.url else ())


class Web(Part):
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)


class Ingest(Part):
    interval_minutes: float = Field(15, ge=1)
    timeout_seconds: float = Field(30, gt=0)
    max_bytes: int = Field(10_000_000, ge=1000)
    max_entries: int = Field(1000, ge=1)
    archive_after_days: float = Field(7, ge=0)
    newest: int = Field(10, ge=0)
    hold_above: int = Field(50, ge=1)
    allow_hosts: tuple[str, ...] = ()
    contact: str = ""


class Editions(Part):
    # 0 sends however late; articles of a skipped Edition are in the next one.
    max_lateness_hours: float = Field(0, ge=0)
    flood_share: float = Field(0.2, gt=0, le=1)
    flood_late_hours: float = Field(6, gt=0)
    flood_readers: int = Field(100, ge=1)


class Outbox(Part):
    batch_size: int = Field(500, ge=1, le=10_000)
    retry_minutes: float = Field(30, gt=0)
    doubt_seconds: float = Field(60, gt=0)


class Retention(Part):
    """For how long what became of each mail is known; 0 is for ever."""

    deliveries_days: float = Field(90, ge=0)


class DestinationLimit(Part):
    per_second: float | None = Field(None, gt=0)
    connections: int | None = Field(None, ge=1, le=10_000)


class Throttle(Part):
    """`auto` is `careful` unless mail goes to a folder or to a test server on this machine."""

    plan: Literal["auto", "careful", "open"] = "auto"
    per_second: float = Field(0, ge=0)
    relays: dict[str, Annotated[float, Field(gt=0)]] = {}
    connections: int = Field(500, ge=1, le=10_000)
    destinations: dict[str, DestinationLimit] = {}

    @pydantic.field_validator("relays", "destinations", mode="before")
    @classmethod
    def _from_text(cls, value: Any, info: pydantic.ValidationInfo) -> Any:
        """From the environment: NAME=PER_SECOND, several separated by commas."""
        if not isinstance(value, str):
            return value
        pairs = [each.strip().rpartition("=") for each in value.split(",") if each.strip()]
        if any(not name for name, _, _ in pairs):
            raise ValueError("write NAME=PER_SECOND, several separated by commas")
        return {name: rate if info.field_name == "relays" else {"per_second": rate} for name, _, rate in pairs}


class DkimKey(Part):
    """Where a private key lies, and under which name its public half is published."""

    domain: str = Field(min_length=1)
    selector: str = Field(min_length=1)
    key_file: str = Field(min_length=1)

    @pydantic.field_validator("key_file")
    @classmethod
    def _names_a_file(cls, value: str) -> str:
        # Paths are repeated in complaints and logs, and a key must not be.
        if "-----" in value or "\n" in value:
            raise ValueError("name the file that holds the key; the key itself does not belong here")
        return value


class Dkim(Part):
    keys: tuple[DkimKey, ...] = ()

    @pydantic.field_validator("keys", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        """From the environment: DOMAIN:SELECTOR:FILE, several separated by commas."""
        if not isinstance(value, str):
            return value
        keys = [each.strip().split(":", 2) for each in value.split(",") if each.strip()]
        if any(len(key) != 3 for key in keys):
            raise ValueError("write DOMAIN:SELECTOR:FILE, several separated by commas")
        return [dict(zip(DkimKey.model_fields, key, strict=True)) for key in keys]


class Engine(Part):
    """`processes`: how many send on this machine; 1 is the service's own, more are children of it."""

    kind: Literal["in-process", "procrastinate"] = "in-process"
    processes: int = Field(1, ge=0, le=128)


class Log(Part):
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"


class Metrics(Part):
    """Without a token, metrics are on no address that readers or other machines reach."""

    listen: str = ""
    token: SecretStr | None = Field(None, min_length=16)

    @pydantic.model_validator(mode="after")
    def _is_guarded(self) -> "Metrics":
        place = urls.host_and_port(self.listen)
        if self.listen and place is None:
            raise ValueError("listen: write an address and a port, such as 127.0.0.1:9464 or [::1]:9464")
        if place and not self.token and not urls.is_loopback_host(place[0]):
            raise ValueError(f"listen: others can reach {self.listen}, so set DIGEST_METRICS_TOKEN_FILE too")
        return self

    def secret(self) -> str:
        return self.token.get_secret_value() if self.token else ""


class Settings(Part):
    base_url: str = "http://127.0.0.1:8000"
    instance: str = ""
    secret_keys: SecretStr = SecretStr("")
    database: Database = Database()
    smtp: Smtp = Smtp()
    web: Web = Web()
    ingest: Ingest = Ingest()
    editions: Editions = Editions()
    outbox: Outbox = Outbox()
    throttle: Throttle = Throttle()
    dkim: Dkim = Dkim()
    engine: Engine = Engine()
    retention: Retention = Retention()
    log: Log = Log()
    metrics: Metrics = Metrics()

    @pydantic.field_validator("base_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        try:
            return urls.parse(value)
        except errors.DigestError as error:
            raise ValueError(str(error)) from None

    def keys(self) -> tuple[str, ...]:
        """The signing keys, oldest first."""
        return tuple(key.strip() for key in self.secret_keys.get_secret_value().split(",") if key.strip())


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
