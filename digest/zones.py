"""Time zones, from the pinned `tzdata` package and never from the operating system.

Systems carry old rules for years (Debian 12's are wrong for Vancouver, Casablanca and others), and two nodes with
different rules would mail at different hours.
"""

import difflib
import functools
import importlib.resources
import zoneinfo

import tzdata

from digest import errors

zoneinfo.reset_tzpath(to=[])
# A zone that another library used before us came from the system, and would be handed out again.
zoneinfo.ZoneInfo.clear_cache()


class ZoneError(errors.DigestError):
    """There is no such time zone."""


@functools.cache
def names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@functools.cache
def get(name: str) -> zoneinfo.ZoneInfo:
    """The IANA zone of that name. Raises ZoneError with the nearest names."""
    if name not in names():
        near = _nearest(name)
        hint = f"did you mean {' or '.join(near)}?" if near else "use an IANA name such as Europe/Berlin"
        raise ZoneError(f"'{name}' is no time zone; {hint}")
    return zoneinfo.ZoneInfo(name)


def _nearest(name: str) -> list[str]:
    """At most three known names: those of that city first ("new york"), then similar spelling."""
    wanted = name.strip().casefold().replace(" ", "_")
    folded = {known.casefold(): known for known in sorted(names())}
    same_city = [known for key, known in folded.items() if key.rpartition("/")[2] == wanted]
    similar = [folded[key] for key in difflib.get_close_matches(wanted, folded, n=3)]
    return list(dict.fromkeys(same_city + similar))[:3]


@functools.cache
def listed() -> tuple[str, ...]:
    """Those to choose from: one for each place with rules of its own (zone.tab), sorted, and UTC."""
    text = (importlib.resources.files("tzdata.zoneinfo") / "zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return (*sorted(row[2] for row in rows), "UTC")


def version() -> str:
    """The release of the zone rules in use, such as 2026f."""
    return str(tzdata.IANA_VERSION)
