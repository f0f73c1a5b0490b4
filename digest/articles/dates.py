"""Dates as feeds write them, as aware UTC instants. Pure, never raises; what cannot be read is None.

A date without a zone is taken as UTC: the feed does not say, and a few hours matter little to a digest.
"""

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

# English, and what publishing systems set to German, French, Spanish, Italian, Portuguese or Dutch emit.
_MONTHS = {
    prefix: number
    for number, prefixes in enumerate(
        (
            "jan ene gen", "feb fév fev", "mar mär mrz maa", "apr avr abr", "may mai mei mag", "jun juin giu",
            "jul juil lug", "aug aoû aou ago", "sep set", "oct okt out ott", "nov", "dec dez déc dic",
        ),
        start=1,
    )
    for prefix in prefixes.split()
}  # fmt: skip
_ISO = re.compile(
    r"(\d{4})-?(\d\d)(?:-?(\d\d))?(?:[T\s]+(\d{1,2}):?(\d\d)(?::?(\d\d)(?:[.,]\d+)?)?)?\s*(Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?",
    re.IGNORECASE,
)
_CLOCK = re.compile(r"\b(\d{1,2}):(\d\d)(?::(\d\d))?\s*([ap]\.?m)?", re.IGNORECASE)
_HALF_DAY = re.compile(r"\d\s*[ap]\.?m\b", re.IGNORECASE)  # the standard library would take 12:05 am for noon
_MAIL = re.compile(r"(?:[^\W\d_]+\.?,?\s+)?\d{1,2}[\s-][A-Za-z]{3}[\s-]\d")
_ZONE = re.compile(r"([+-])(\d\d):?(\d\d)\b")
_DAY_FIRST = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th|er|º|\.)?[\s-]+(?:de\s+)?([^\W\d_]{3,10})\.?,?[\s-]+(?:de\s+)?(\d{4})\b"
)
_MONTH_FIRST = re.compile(r"\b([^\W\d_]{3,10})\.?\s+(\d{1,2})(?:st|nd|rd|th)?,?\s+(?:\d\d:\d\d:\d\d\s+)?(\d{4})\b")
_EPOCH = re.compile(r"1\d{9}(\d{3})?")
_EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)  # 1970-01-01 is a zero in somebody's database, not a date


def read(text: str) -> datetime | None:
    cleaned = " ".join(text.split())[:80]  # no date is longer
    for reader in (_iso, _mail, _words, _epoch):
        try:
            found = reader(cleaned)
        except (ValueError, OverflowError, TypeError, IndexError):
            continue
        if found is not None:
            return _utc(found)
    return None


def first(texts: list[str]) -> datetime | None:
    """The first that can be read."""
    return next((found for text in texts if (found := read(text)) is not None), None)


def _utc(found: datetime) -> datetime | None:
    aware = found if found.tzinfo else found.replace(tzinfo=UTC)
    try:
        instant = aware.astimezone(UTC)
    except OverflowError:
        return None
    return instant if _EARLIEST <= instant < datetime(9000, 1, 1, tzinfo=UTC) else None


def _iso(text: str) -> datetime | None:
    """ISO 8601 and W3CDTF, with the liberties people take: spaces, 24:00, second 60, no colon in the offset."""
    match = _ISO.fullmatch(text)
    if match is None or (match[3] is None and "-" not in text):
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    start = datetime(year, month, day or 1, tzinfo=_offset(match[7] or ""))
    return start + timedelta(hours=hour, minutes=minute, seconds=min(second, 59)) if hour <= 24 else None


def _mail(text: str) -> datetime | None:
    """RFC 822 and 5322, as RSS asks for; also with a weekday that lies or is not English."""
    if not _MAIL.match(text) or _HALF_DAY.search(text):
        return None
    return parsedate_to_datetime(re.sub(r"^[^\d]+", "", text).replace(":60 ", ":59 "))


def _words(text: str) -> datetime | None:
    day_first, month_first = _DAY_FIRST.search(text), _MONTH_FIRST.search(text)
    if day_first:
        day, name, year = day_first.groups()
    elif month_first:
        name, day, year = month_first.groups()
    else:
        return None
    month = _MONTHS.get(name.lower()[:4]) or _MONTHS.get(name.lower()[:3])
    if month is None:
        return None
    return datetime(int(year), month, int(day), *_time(text), tzinfo=_offset(text))


def _time(text: str) -> tuple[int, int, int]:
    match = _CLOCK.search(text)
    if match is None:
        return 0, 0, 0
    hour = int(match[1])
    if match[4]:
        hour = hour % 12 + (12 if match[4].lower().startswith("p") else 0)
    return hour, int(match[2]), min(int(match[3] or 0), 59)


def _offset(text: str) -> timezone:
    match = _ZONE.search(text)
    if match is None:
        short = re.fullmatch(r"([+-])(\d\d)", text)
        return timezone(int(short[1] + "1") * timedelta(hours=int(short[2]))) if short else UTC
    return timezone(int(match[1] + "1") * timedelta(hours=int(match[2]), minutes=int(match[3])))


def _epoch(text: str) -> datetime | None:
    """Seconds or milliseconds since 1970."""
    match = _EPOCH.fullmatch(text)
    return datetime.fromtimestamp(int(text) / (1000 if match[1] else 1), tz=UTC) if match else None
