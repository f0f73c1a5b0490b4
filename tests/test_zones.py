"""Zones come from the pinned database, and a wrong name gets a useful answer."""

import re
import zoneinfo

import pytest

from digest import zones


def test_zones_never_come_from_the_operating_system():
    assert zoneinfo.TZPATH == ()


def test_a_known_zone_is_returned():
    assert zones.get("Asia/Kathmandu").key == "Asia/Kathmandu"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Berlin", "did you mean Europe/Berlin"),
        ("new york", "did you mean America/New_York"),
        ("europe/berlin", "did you mean Europe/Berlin"),
        ("Europe/Berlim", "Europe/Berlin"),
        ("Asia/Calcuta", "Asia/Calcutta"),
        ("xyzzy", "use an IANA name such as Europe/Berlin"),
        ("", "use an IANA name"),
        ("../../etc/passwd", "'../../etc/passwd' is no time zone"),
        ("/etc/localtime", "is no time zone"),
        ("Europe", "'Europe' is no time zone"),
        ("Europe/Berlin\0", "did you mean Europe/Berlin"),
    ],
)
def test_an_unknown_zone_is_refused_with_a_suggestion(name, hint):
    with pytest.raises(zones.ZoneError, match=re.escape(hint)):
        zones.get(name)


def test_the_version_names_a_release():
    assert zones.version()[:4].isdigit()
    assert zones.version()[4:].isalpha()
