"""A relay and how patient we are with it: values from the settings, read by everything in this folder."""

import dataclasses
import enum
from pathlib import Path


class Tls(enum.StrEnum):
    IMPLICIT = "implicit"
    STARTTLS = "starttls"
    NONE = "none"


@dataclasses.dataclass(frozen=True, slots=True)
class Relay:
    """Where mail goes and how. `ca_file` adds a private authority; there is no way to skip verifying.

    `weight` is its share of all lines beside other relays, `connections` what it allows at most (0: as many as all).
    """

    host: str
    port: int
    tls: Tls
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    ca_file: Path | None = None
    helo: str = ""
    label: str = ""
    weight: float = 1
    connections: int = 0

    @property
    def name(self) -> str:
        """What Deliveries keep to say where they went."""
        return self.label or f"{self.host}:{self.port}"


@dataclasses.dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds per phase. RFC 5321 §4.5.3.2 asks for up to ten minutes; a relay is close by and answers sooner.

    The last one is long on purpose: to give up on the reply to the final dot is to be in doubt.
    """

    connect: float = 30
    command: float = 120
    content: float = 300


# A goodbye is politeness; no shutdown waits long for it.
QUIT_SECONDS = 5
