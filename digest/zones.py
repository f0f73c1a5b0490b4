"""Time zones, from the pinned `tzdata` package and never from the operating system.

Systems carry old rules for years (Debian 12's are wrong for Vancouver, Casablanca and others), and two nodes with
different rules would mail at different hours.
"""

import difflib
import functools
import zoneinfo

import tzdata

from digest import errors

zoneinfo.reset_tzpath(to=[])


class ZoneError(errors.DigestError):
    """There is no such time zone."""


@functools.cache
def names() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


@functools.cache
def get(name: str) -> zoneinfo.ZoneInfo:
    """The IANA zone of that name. Raises ZoneError with the nearest names."""
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(near)}?" if near else "use an IANA name such as Europe/Berlin"
        raise ZoneError(f"'{name}' is no time zone; {hint}")
    return zoneinfo.ZoneInfo(name)


def version() -> str:
    """The release of the zone rules in use, such as 2026f."""
    return str(tzdata.IANA_VERSION)
