"""What people choose from in lists: time zones by continent, and languages, each called as its speakers call it."""

import functools

import babel

from digest import zones
from digest.editions import wording

# What stands before the first slash of a zone, in the order the list has; "UTC" stands alone.
REGIONS = ("Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")

Zones = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]


@functools.cache
def zones_of(language: str) -> Zones:
    """(region, ((zone, name of its place), …)), …"""
    say = wording.of(language)
    found: dict[str, list[tuple[str, str]]] = {region: [] for region in REGIONS}
    for zone in zones.listed():
        region, slash, _ = zone.partition("/")
        if slash:
            found[region].append((zone, say.city(zone)))
    return tuple((region, tuple(sorted(places, key=lambda place: place[1]))) for region, places in found.items())


@functools.cache
def languages() -> tuple[tuple[str, str], ...]:
    """(language, its own name for itself)."""
    return tuple((name, str(babel.Locale.parse(name).get_display_name(name) or name)) for name in wording.spoken())
