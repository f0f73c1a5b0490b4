"""Every key of the settings with its default and what it may hold; `config/digest.toml` says what each is good for.

Values only: where they come from is for `config` to know. Secrets show as asterisks in a repr.
"""

import ipaddress
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from digest import errors, urls


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    """From the environment: several separated by commas."""
    return [one.strip() for one in value.split(",") if one.strip()] if isinstance(value, str) else value


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
    """`proxies` are addresses and networks whose word counts on where a request came from, `hosts` names we answer to
    besides those in links.
    """

    host: str = "127.0.0.1"
    port: int = Field(8000, ge=0, le=65535)
    proxies: tuple[str, ...] = ("127.0.0.1", "::1")
    hosts: tuple[str, ...] = ()
    hsts_days: int = Field(0, ge=0, le=3650)

    @pydantic.field_validator("proxies", "hosts", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _listed(value)

    @pydantic.field_validator("proxies")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(f"'{one}' is no IP address or network; write such as 10.0.0.7 or 10.0.0.0/8") from None
        return value


# RFC 2142 §4 to §6, RFC 5321 §4.5.1, and what machines call themselves: behind these sits a duty or nobody. Whole firms
# read at info@ and office@, so these may sign up.
DUTIES = (
    *("abuse", "hostmaster", "mailer-daemon", "no-reply", "noc", "noreply", "postmaster", "root", "security", "spam"),
    *("usenet", "uucp", "webmaster"),
)
Limit = Annotated[str, Field(pattern=r"^([1-9][0-9]{0,8}/([1-9][0-9]{0,3} )?(second|minute|hour|day)s?)?$")]


class SignUp(Part):
    """How often a form may be filled in, such as "20/hour" (empty: as often as one likes), and for which addresses."""

    total: Limit = "5000/hour"
    per_domain: Limit = "500/hour"
    per_network: Limit = "100/hour"
    per_origin: Limit = "20/hour"
    disposable: Literal["refuse", "allow"] = "refuse"
    refuse_domains: tuple[str, ...] = ()
    allow_domains: tuple[str, ...] = ()
    refuse_names: tuple[str, ...] = DUTIES

    @pydantic.field_validator("refuse_domains", "allow_domains", "refuse_names", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _listed(value)


class Api(Part):
    limit: str = Field("600/minute", pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour|day)$")


class Webhooks(Part):
    """Hosts of publishers' programs that may have private addresses."""

    allow_hosts: tuple[str, ...] = ()

    @pydantic.field_validator("allow_hosts", mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _listed(value)


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
    measure_images: bool = False
    image_max_bytes: int = Field(20_000_000, ge=10_000)


class Editions(Part):
    # 0 sends however late; articles of a skipped Edition are in the next one.
    max_lateness_hours: float = Field(0, ge=0)
    flood_share: float = Field(0.2, gt=0, le=1)
    flood_late_hours: float = Field(6, gt=0)
    flood_readers: int = Field(100, ge=1)


class Outbox(Part):
    batch_size: int = Field(2000, ge=1, le=10_000)
    retry_minutes: float = Field(30, gt=0)
    doubt_seconds: float = Field(60, gt=0)


class Retention(Part):
    """For how long what became of each mail is known; 0 is for ever."""

    deliveries_days: float = Field(90, ge=0)
    images_days: float = Field(365, ge=0)


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
    mx: bool = False

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
    sign_up: SignUp = SignUp()
    api: Api = Api()
    webhooks: Webhooks = Webhooks()
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
